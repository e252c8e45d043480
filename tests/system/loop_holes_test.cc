// The known holes of a loop device are correct, whatever was written to it just before, and how.
#include "io/loop_holes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "io/env.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kHolesDeviceBytes = 16 * kMiB;
constexpr std::uint64_t kHolesPiece = 64 * kKiB;
constexpr std::uint64_t kHolesPieces = kHolesDeviceBytes / kHolesPiece;

std::unique_ptr<io::File> open_exclusively(const std::string& path) {
  io::OpenOptions options;
  options.access = io::Access::kReadOnly;
  options.exclusive_device = true;
  options.direct = true;
  auto file = io::make_local_env()->open(path, options);
  EXPECT_TRUE(file) << file.error().to_string();
  return file ? std::move(*file) : nullptr;
}

// The pieces that contain data, according to the file.
std::vector<bool> data_of(io::File& file) {
  std::vector<bool> data(kHolesPieces, false);
  std::uint64_t at = 0;
  while (at < kHolesDeviceBytes) {
    const auto extent = file.next_data(at);
    if (!extent) {
      ADD_FAILURE() << extent.error().to_string();
      return data;
    }
    if (extent->empty()) break;
    EXPECT_GE(extent->offset, at);
    EXPECT_LE(extent->end(), kHolesDeviceBytes);
    for (std::uint64_t i = extent->offset / kHolesPiece; i * kHolesPiece < extent->end(); ++i)
      data[i] = true;
    at = extent->end();
  }
  return data;
}

// The pieces that are not all zero, read through the device.
std::vector<bool> content_of(const std::string& path) {
  std::vector<bool> content(kHolesPieces, false);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> piece(kHolesPiece);
  for (std::uint64_t i = 0; i < kHolesPieces; ++i) {
    EXPECT_EQ(::pread(fd.get(), piece.data(), kHolesPiece, static_cast<off_t>(i * kHolesPiece)),
              static_cast<ssize_t>(kHolesPiece));
    content[i] = std::any_of(piece.begin(), piece.end(), [](char c) { return c != 0; });
  }
  return content;
}

class LoopHolesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
  }

  [[nodiscard]] LoopDevice make(bool on_tmpfs) {
    if (on_tmpfs) tmpfs_ = std::make_unique<Tmpfs>(64 * kMiB);
    const std::string backing = on_tmpfs ? tmpfs_->file("backing") : directory_.file("backing");
    LoopOptions options;
    options.direct_io = !on_tmpfs;
    return LoopDevice::make(backing, kHolesDeviceBytes, 512, options);
  }

  TempDir directory_;
  std::unique_ptr<Tmpfs> tmpfs_;
};

// The writer still has the device open, with nothing flushed.
TEST_P(LoopHolesTest, NothingThatWasWrittenIsAHole) {
  const LoopDevice loop = make(GetParam());
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    const bool direct = random() % 2 == 0;
    const UniqueFd fd(::open(loop.path().c_str(), O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    ASSERT_TRUE(fd.valid());
    AlignedBuffer bytes(kHolesPiece);
    for (int i = 0; i < 5; ++i) {
      std::fill_n(bytes.data(), kHolesPiece, static_cast<std::byte>(1 + random() % 255));
      const std::uint64_t at = random() % kHolesPieces * kHolesPiece;
      std::uint64_t range[2] = {random() % kHolesPieces * kHolesPiece, kHolesPiece};
      ASSERT_EQ(::pwrite(fd.get(), bytes.data(), 4096, static_cast<off_t>(at)), 4096);
      if (random() % 2 == 0) static_cast<void>(::ioctl(fd.get(), BLKDISCARD, range));
      if (random() % 4 == 0) static_cast<void>(::ioctl(fd.get(), BLKZEROOUT, range));
    }
    std::vector<bool> data;
    {
      const auto file = open_exclusively(loop.path());
      ASSERT_NE(file, nullptr);
      data = data_of(*file);
    }
    const std::vector<bool> content = content_of(loop.path());
    for (std::uint64_t i = 0; i < kHolesPieces; ++i) {
      ASSERT_TRUE(data[i] || !content[i]) << "round " << round << ", piece " << i;
    }
  }
}

TEST_P(LoopHolesTest, HolesOfASparseFileAreKnown) {
  const LoopDevice loop = make(GetParam());
  {
    const UniqueFd fd(::open(loop.path().c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), "x", 1, static_cast<off_t>(5 * kMiB)), 1);
  }
  const auto file = open_exclusively(loop.path());
  ASSERT_NE(file, nullptr);
  const std::vector<bool> data = data_of(*file);
  EXPECT_TRUE(data[5 * kMiB / kHolesPiece]);
  EXPECT_LE(std::count(data.begin(), data.end(), true), 2);
}

TEST_P(LoopHolesTest, AFileThatIsTooShortTellsNothing) {
  const LoopDevice loop = make(GetParam());
  ASSERT_EQ(::truncate(loop.backing().c_str(), static_cast<off_t>(kHolesDeviceBytes / 2)), 0);
  const auto file = open_exclusively(loop.path());
  ASSERT_NE(file, nullptr);
  const auto extent = file->next_data(0);
  ASSERT_TRUE(extent);
  EXPECT_EQ(*extent, (Extent{0, kHolesDeviceBytes})) << "it has to be read, to fail";
}

TEST_P(LoopHolesTest, AnotherFileUnderTheNameTellsNothing) {
  const LoopDevice loop = make(GetParam());
  ASSERT_EQ(::rename(loop.backing().c_str(), (loop.backing() + ".moved").c_str()), 0);
  make_sparse_file(loop.backing(), kHolesDeviceBytes);
  const auto file = open_exclusively(loop.path());
  ASSERT_NE(file, nullptr);
  const auto extent = file->next_data(0);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->end(), kHolesDeviceBytes);
}

INSTANTIATE_TEST_SUITE_P(Over, LoopHolesTest, testing::Bool(), [](const auto& tested) {
  return std::string(tested.param ? "Tmpfs" : "Disk");
});

}  // namespace
}  // namespace blkrewind::test
