// However an image is written to: the extents that the tracker reports contain every byte that
// differs.
#include "support/image_writers.h"
#include "system/extent_fixture.h"

namespace blkrewind::test {
namespace {

using track::TrackUse;

// Files of other kinds, or mapped by a device.
struct ImageKind {
  const char* name;
  const char* type;
  const char* options;
  bool loop;
  bool no_cow;
};

class ExtentWriting : public ExtentSystem, public testing::WithParamInterface<ImageKind> {
 protected:
  void SetUp() override {
    const ImageKind& kind = GetParam();
    if (!make_file_system(kind.type, kind.options)) GTEST_SKIP() << skipped;
    make_image(kImageBytes, kind.no_cow);
    if (kind.loop) hold_device();
    scratch_ = mount_point_ + "/scratch";
    std::mt19937_64 random(77);
    make_sparse_file(scratch_, 0);
    if (kind.no_cow) set_flag(scratch_, FS_NOCOW_FL, true);
    write_bytes(scratch_, 0, random_bytes(random, kImageBytes));
  }
  void TearDown() override { holder_.reset(); }

  // Another process has it open, so that data written through it stays in its cache for a while.
  void hold_device() {
    attach();
    holder_.reset(::open(loop_->path().c_str(), O_RDONLY | O_CLOEXEC));
  }
  void restart() {
    holder_.reset();
    const bool had_loop = loop_.has_value();
    remount();
    if (had_loop) holder_.reset(::open(loop_->path().c_str(), O_RDONLY | O_CLOEXEC));
  }

  ImageUnderTest under_test() {
    const auto files = clones();
    return {.path = image_,
            .bytes = kImageBytes,
            .device = loop_ ? loop_->path() : std::string(),
            .scratch = scratch_,
            .clone = files.empty() ? std::string() : files.front()};
  }
  void write(const ImageWriter& writer, std::mt19937_64& random) {
    if (writer.changes_size && loop_) return;
    writer.write(under_test(), random);
  }

  // One operation of any kind, with any ending.
  void operate(const std::string& id, std::mt19937_64& random, std::string& story) {
    const TrackUse use = random() % 3 == 0 ? TrackUse::kWrite : TrackUse::kRead;
    const auto tracker = find();
    ASSERT_NE(tracker, nullptr) << story;
    ASSERT_EQ(begin(*tracker, use), "") << story;
    expect_all_in(changed(*tracker), content(), story);
    if (use == TrackUse::kWrite) {
      write(image_writers()[random() % 5], random);
      tracker->wrote(2 * kImageBytes);  // as much as it may have been
    }
    switch (random() % 6) {
      case 0:
      case 1:
        story += " take";
        finish(*tracker, id);
        break;
      case 2:
        story += " abandon";
        ASSERT_TRUE(tracker->abandon()) << story;
        break;
      case 3:
        story += " die before the record";
        ASSERT_TRUE(tracker->prepare(id, track::Collected::kDropped)) << story;
        break;
      case 4:
        story += " die at once";
        break;
      default:
        if (use == TrackUse::kWrite) break;
        story += " die after the record";
        remember();
        ASSERT_TRUE(tracker->prepare(id, track::Collected::kDropped)) << story;
        base_snapshot_ = id;
    }
  }

  std::string scratch_;
  UniqueFd holder_;
};

std::string name_of(const testing::TestParamInfo<ImageKind>& tested) { return tested.param.name; }

constexpr ImageKind kXfsLoop = {"XfsLoop", "xfs", "", true, false};
constexpr ImageKind kBtrfsLoop = {"BtrfsLoop", "btrfs", "", true, false};
constexpr ImageKind kBtrfsNoCowLoop = {"BtrfsNoCowLoop", "btrfs", "", true, true};

INSTANTIATE_TEST_SUITE_P(
    On, ExtentWriting,
    testing::Values(ImageKind{"XfsFile", "xfs", "", false, false}, kXfsLoop,
                    ImageKind{"BtrfsFile", "btrfs", "", false, false}, kBtrfsLoop,
                    ImageKind{"BtrfsNoCow", "btrfs", "", false, true}, kBtrfsNoCowLoop,
                    ImageKind{"BtrfsCompressed", "btrfs", "compress-force=zstd", false, false}),
    name_of);

// Data in metadata blocks or compressed data has a location that says nothing: it differs from
// itself.
class IncomparableExtents : public ExtentSystem {};

TEST_F(IncomparableExtents, InMetadata) {
  if (!make_file_system("btrfs")) GTEST_SKIP() << skipped;
  make_image(2000);
  std::mt19937_64 random(19);
  write_bytes(image_, 0, random_bytes(random, 2000));
  start();
  take("s-1");
  EXPECT_EQ(check("nothing"), 2000U);
  write_bytes(image_, 1000, "x");
  EXPECT_EQ(check("a byte"), 2000U);
}

TEST_F(IncomparableExtents, Compressed) {
  if (!make_file_system("btrfs", "compress-force=zstd")) GTEST_SKIP() << skipped;
  make_image();
  write_bytes(image_, 0, std::string(kMiB, 'x'));
  start();
  take("s-1");
  EXPECT_GE(check("nothing"), kMiB);
  write_bytes(image_, 0, std::string(kMiB, 'y'));
  EXPECT_GE(check("other bytes"), kMiB);
}

class ExtentsOfDevices : public ExtentWriting {};

INSTANTIATE_TEST_SUITE_P(On, ExtentsOfDevices,
                         testing::Values(kXfsLoop, kBtrfsLoop, kBtrfsNoCowLoop), name_of);

TEST_P(ExtentWriting, EveryWayOfWritingIsSeen) {
  start();
  take("s-0");
  std::mt19937_64 random(11);
  int number = 0;
  for (const ImageWriter& writer : image_writers()) {
    for (int time = 0; time < 3; ++time) {
      write(writer, random);
      check(writer.name);
    }
    take("s-" + std::to_string(++number));
    check(std::string("after ") + writer.name);
  }
}

// Writers, snapshots, rollbacks, crashes and restarts in any order, compared with the actual
// content.
TEST_P(ExtentWriting, NothingIsEverMissed) {
  const char* const given = std::getenv("BLKREWIND_EXTENT_ROUNDS");
  const int rounds = given != nullptr ? std::atoi(given) : 24;
  const char* const seed = std::getenv("BLKREWIND_EXTENT_SEED");
  std::mt19937_64 random(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 20240612);
  start();
  take("s-0");
  std::string story;
  for (int round = 1; round <= rounds && !HasFatalFailure(); ++round) {
    story += "\n" + std::to_string(round) + ":";
    for (std::uint64_t i = random() % 5; i > 0; --i) {
      const ImageWriter& writer = image_writers()[random() % image_writers().size()];
      story += std::string(" ") + writer.name + ";";
      write(writer, random);
    }
    operate("s-" + std::to_string(round), random, story);
    if (random() % 12 == 0) {
      story += " restart";
      restart();
    }
  }
}

// A part of the image, mapped by one loop device and then another.
TEST_P(ExtentsOfDevices, ThePartThatADeviceShows) {
  holder_.reset();
  detach();
  range_ = {kMiB, 2 * kMiB};
  disk_.device_bytes = range_.length;
  attach();
  start();
  take("s-1");
  std::mt19937_64 random(17);
  write_bytes(image_, 0, random_bytes(random, kMiB));
  write_bytes(image_, 3 * kMiB, random_bytes(random, kMiB));
  EXPECT_EQ(check("written before and behind it"), 0U);
  write_bytes(loop_->path(), 2 * kMiB - 10, random_bytes(random, 10));
  write_bytes(loop_->path(), 0, random_bytes(random, 10));
  const std::uint64_t changed_bytes = check("its first and last bytes");
  EXPECT_GE(changed_bytes, 2 * kExtentBlock);
  {
    const LoopDevice other = LoopDevice::make(image_, 0);
    const std::string before = loop_->path();
    detach();
    const LoopDevice blocker = LoopDevice::make(scratch_, 0);
    attach();
    EXPECT_NE(loop_->path(), before);
    EXPECT_EQ(check("another number"), changed_bytes);
  }
  detach();
  range_.offset += 4096;
  attach();
  EXPECT_THAT(why_not(), testing::HasSubstr("another offset"));
}

TEST_P(ExtentsOfDevices, AFileSystemOnTheDevice) {
  run_program({"mkfs.ext4", "-q", "-F", loop_->path()});
  start();
  take("s-1");
  const std::string inner = directory_.file("inner");
  std::filesystem::create_directory(inner);
  std::mt19937_64 random(13);
  for (int round = 0; round < 6; ++round) {
    {
      const Mount mounted(loop_->path(), inner, "ext4", round % 2 == 0 ? "discard" : "");
      write_bytes(inner + "/file" + std::to_string(round), 0, random_bytes(random, 30'000));
      if (round >= 2) std::filesystem::remove(inner + "/file" + std::to_string(round - 2));
      check("mounted");
    }
    check("unmounted");
    if (round % 3 == 2) take("s-" + std::to_string(round));
  }
}

}  // namespace
}  // namespace blkrewind::test
