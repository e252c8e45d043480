// Memory is bounded whatever the size of the device: at most 64 MiB resident. Times are not
// checked.
#ifdef BLKREWIND_PROGRAM

#include <functional>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kPeakMax = 64 * kMiB;

class Memory : public DeviceSystem {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer takes memory of its own";
#endif
  }

  void expect_bounded(const std::vector<std::string>& arguments) const {
    const CliOutcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << arguments.at(0) << ": " << outcome.err;
    EXPECT_GT(outcome.peak_memory_bytes, kMiB) << "not measured";
    EXPECT_LE(outcome.peak_memory_bytes, kPeakMax) << arguments.at(0);
  }

  // A snapshot, all operations on it, and a rollback.
  void expect_all_bounded(const std::string& image, const std::function<void()>& change) const {
    expect_bounded({"snapshot", image, "--name", "before"});
    change();
    const std::string changed = digest_of_ends(image);
    expect_bounded({"diff", image, "before"});
    expect_bounded({"rollback", image, "before", "--dry-run"});
    expect_bounded({"rollback", image, "before"});
    EXPECT_NE(digest_of_ends(image), changed);
    expect_bounded({"undo", image});
    EXPECT_EQ(digest_of_ends(image), changed);
    expect_bounded({"rollback", image, "before", "--no-undo"});
    expect_bounded({"snapshot", image});
    expect_bounded({"verify"});
    expect_bounded({"list"});
    expect_bounded({"delete", "before"});
  }

  // Reading a tebibyte of holes would take minutes.
  static std::string digest_of_ends(const std::string& image) {
    const std::uint64_t size = std::filesystem::file_size(image);
    const std::uint64_t part = std::min<std::uint64_t>(size / 2, 128 * kMiB);
    return digest_of_file(image, 0, part) + digest_of_file(image, size - part, part);
  }
};

TEST_F(Memory, ATebibyteOfHolesWithSomeData) {
  const std::string image = file("disk.img");
  constexpr std::uint64_t kSize = std::uint64_t{1} << 40;
  make_sparse_file(image, kSize);
  for (std::uint64_t at = 0; at < kSize; at += kSize / 256) write_noise(image, at, 70000, at + 1);
  expect_all_bounded(image, [&] {
    for (std::uint64_t at = 0; at < kSize; at += kSize / 128) {
      write_noise(image, at + 65536, 70000, at + 2);
    }
    write_noise(image, kSize - 5000, 5000, 3);
  });
}

TEST_F(Memory, EverythingChanged) {
  const std::string image = file("disk.img");
  write_noise(image, 0, 256 * kMiB, 1);
  expect_all_bounded(image, [&] { write_noise(image, 0, 256 * kMiB, 2); });
}

TEST_F(Memory, ManySmallChunks) {
  variables_ = {"BLKREWIND_THREADS=8"};
  const std::string image = file("disk.img");
  write_noise(image, 0, 64 * kMiB, 1);
  ask({"disk", "register", image, "--chunk-size", "4KiB"});
  expect_all_bounded(image, [&] {
    for (std::uint64_t at = 0; at < 64 * kMiB; at += 8192) write_noise(image, at, 512, at + 9);
  });
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
