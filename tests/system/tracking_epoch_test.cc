// A tracker becomes invalid when its epoch ends, and says why; an operation then reads everything,
// and is right. A process that dies in the middle of an operation loses no change.
#ifdef BLKREWIND_PROGRAM

#include <sys/stat.h>

#include <array>
#include <fstream>
#include <map>
#include <random>

#include "support/errors.h"
#include "support/zram_device.h"
#include "system/tracking_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kEpochBytes = 24 * kMiB;
constexpr const char* kPins = "/sys/fs/bpf/blkrewind/";

class TrackingEpoch : public TrackedSystem {
 protected:
  // The device, the store and the file system of pins, as a user would see them.
  void expect_unknown(const std::string& why, const std::string& target = {}) {
    const TrackerInfo seen = state(target);
    EXPECT_EQ(seen.source, "bitmap");
    EXPECT_FALSE(seen.valid);
    EXPECT_NE(seen.reason.find(why), std::string::npos) << "reason: " << seen.reason;
    EXPECT_EQ(seen.base_snapshot_id, "");
  }

  // Only a scan is possible; its result is right.
  void expect_scans_and_is_right(const std::string& why) {
    const auto refused =
        engine_->rollback(path_, "base_snapshot", {.change_source = ChangeSource::kBitmap});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kPrecondition) << refused.error().to_string();
    EXPECT_NE(refused.error().message.find(why), std::string::npos) << refused.error().message;
    EXPECT_NE(words_of(refused.error()), "");
    const auto done = engine_->rollback(path_, "base_snapshot", {.paranoid = true});
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->change_source, "scan");
    EXPECT_EQ(changed(), Chunks());
  }

  // It is unchanged, or valid again: the next operation uses it, and is right.
  void expect_relies_on_it() {
    EXPECT_TRUE(state().valid) << state().reason;
    write_noise(path_, 3 * kMiB + 99, 200000, 77);
    expect_nothing_missed();
    expect_rolls_back();
  }

  void expect_can_be_begun_anew() {
    const auto begun = engine_->start_tracking(path_, ChangeSource::kBitmap);
    ASSERT_TRUE(begun) << begun.error().to_string();
    expect_unknown("the next snapshot or rollback reads everything once");
    const auto done = engine_->rollback(path_, "base_snapshot");
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->change_source, "scan");
    expect_relies_on_it();
  }

  [[nodiscard]] std::string pins() const { return kPins + engine_->disk(path_)->id; }
};

TEST_F(TrackingEpoch, BeginsWithTheFirstOperationAndNotBefore) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  const auto taken = engine_->snapshot(disk.path(), named("base_snapshot"));
  ASSERT_TRUE(taken) << taken.error().to_string();
  copy_ = read_device(disk.path());
  path_ = disk.path();
  write_noise(path_, kMiB, 4096, 2);  // unnoticed so far
  const auto begun = engine_->start_tracking(path_);
  if (!begun && begun.error().code == Errc::kUnsupported) {
    GTEST_SKIP() << begun.error().to_string();
  }
  ASSERT_TRUE(begun) << begun.error().to_string();
  const std::string why = "the next snapshot or rollback reads everything once";
  expect_unknown(why);
  expect_scans_and_is_right(why);
  expect_relies_on_it();
  const auto again = engine_->start_tracking(path_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kAlreadyExists);
  expect_relies_on_it();
  ASSERT_TRUE(engine_->stop_tracking(path_));
  EXPECT_FALSE(std::filesystem::exists(pins()));
  expect_can_be_begun_anew();
}

TEST_F(TrackingEpoch, EndsWhenTheLoopDeviceIsAttachedAgain) {
  LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  disk.detach();
  write_noise(disk.backing(), 7 * kMiB, 10000, 2);  // undetected
  const LoopDevice again = LoopDevice::make(disk.backing(), 0);
  const std::string why = again.path() == path_ ? "the device was detached and attached again"
                                                : "the disk is a different device now";
  path_ = again.path();
  expect_unknown(why);
  expect_scans_and_is_right(why);
  expect_unknown(why);  // permanently
  expect_can_be_begun_anew();
}

TEST_F(TrackingEpoch, EndsWhenAnotherFileIsAttached) {
  LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const std::string id = engine_->disk(path_)->id;
  disk.detach();
  const LoopDevice other = make_disk("other.img", kEpochBytes);
  write_noise(other.path(), 0, kEpochBytes, 3);
  const std::string why = other.path() == path_ ? "the device was detached and attached again"
                                                : "the disk is a different device now";
  ASSERT_TRUE(engine_->adopt_disk(id, other.path()));
  path_ = other.path();
  expect_unknown(why, id);
  expect_scans_and_is_right(why);
  expect_can_be_begun_anew();
}

TEST_F(TrackingEpoch, EndsWhenTheDeviceHasAnotherSize) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  ASSERT_EQ(::truncate(disk.backing().c_str(), kEpochBytes + 4 * kMiB), 0);
  disk.reread_size();
  const std::string why = "the size of the device has changed";
  expect_unknown(why);
  const auto taken = engine_->snapshot(path_, named("larger"));
  ASSERT_TRUE(taken) << taken.error().to_string();
  EXPECT_EQ(taken->change_source, "scan");
  expect_unknown(why);
  ASSERT_EQ(::truncate(disk.backing().c_str(), kEpochBytes), 0);
  disk.reread_size();
  const auto done = engine_->rollback(path_, "base_snapshot", {.paranoid = true});
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->change_source, "scan");
  EXPECT_EQ(changed(), Chunks());
}

TEST_F(TrackingEpoch, EndsWithEachOfThePins) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  for (const std::string pin : {"on_queue", "on_complete", "bits", "control"}) {
    SCOPED_TRACE(pin);
    ASSERT_TRUE(std::filesystem::remove(pins() + "/" + pin));
    write_noise(path_, 5 * kMiB, 10000, 4);
    const std::string why = "the tracking program's pin " + pin + " is gone";
    expect_unknown(why);
    expect_scans_and_is_right(why);
    expect_unknown(why);
    expect_can_be_begun_anew();
  }
  std::filesystem::remove_all(pins());
  write_noise(path_, 6 * kMiB, 10000, 5);
  EXPECT_TRUE(engine_->tracking(path_)->trackers.empty());
  expect_scans_and_is_right("the disk is not tracked by it");
  expect_can_be_begun_anew();
}

TEST_F(TrackingEpoch, IsOfOneDiskOfOneStore) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const auto other = open_store(file("other"));
  const SnapshotOptions options = named("other", ChangeSource::kAuto, 4096);
  ASSERT_TRUE(other->start_tracking(path_, ChangeSource::kBitmap, options));
  struct Stop {
    Engine& engine;
    std::string path;
    ~Stop() { (void)engine.stop_tracking(path); }
  } stop{*other, path_};
  write_noise(path_, kMiB, 5000, 2);
  ASSERT_TRUE(other->snapshot(path_, options));
  EXPECT_EQ(other->tracking(path_)->trackers.at(0).granule_bytes, 4096U);
  // Each sees what operations of the other one write.
  write_noise(path_, 2 * kMiB, 5000, 3);
  const auto done =
      other->rollback(path_, "other", {.change_source = ChangeSource::kBitmap, .paranoid = true});
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_LE(done->scanned_bytes, 16384U);
  EXPECT_EQ(expect_nothing_missed(), chunks_of({{kMiB, 5000}, {2 * kMiB, 5000}}, chunk_bytes()));
  expect_rolls_back();
  const auto back =
      other->rollback(path_, "other", {.change_source = ChangeSource::kBitmap, .paranoid = true});
  ASSERT_TRUE(back) << back.error().to_string();
  // In place of the first one's.
  const std::string theirs = kPins + other->disk(path_)->id;
  const std::string ours = pins();
  std::filesystem::remove_all(ours);
  if (::rename(theirs.c_str(), ours.c_str()) != 0) {
    GTEST_SKIP() << "pins cannot be renamed here: " << std::strerror(errno);
  }
  expect_unknown("it tracks another disk or another store");
  expect_scans_and_is_right("it tracks another disk or another store");
  expect_can_be_begun_anew();
}

TEST_F(TrackingEpoch, EndsWithTheDisk) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const std::string before = pins();
  ASSERT_TRUE(engine_->forget_disk(path_, true));
  EXPECT_FALSE(std::filesystem::exists(before));
  // With chunks of another size.
  ASSERT_TRUE(track(disk.path(), 4096)) << why_;
  EXPECT_EQ(state().granule_bytes, 4096U);
  write_noise(path_, 4096 * 5 + 1, 10, 2);
  EXPECT_EQ(expect_nothing_missed(), Chunks{5});
  expect_rolls_back();
}

TEST_F(TrackingEpoch, SleepsWhileTheDiskIsAnotherDevice) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  const LoopDevice other = make_disk("other.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  write_noise(other.path(), 0, kEpochBytes, 2);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const std::string id = engine_->disk(path_)->id;
  ASSERT_TRUE(engine_->adopt_disk(id, other.path()));
  expect_unknown("the disk is a different device now", id);
  path_ = other.path();
  expect_scans_and_is_right("the disk is a different device now");
  write_noise(disk.path(), 9 * kMiB, 10000, 3);
  ASSERT_TRUE(engine_->adopt_disk(id, disk.path()));
  path_ = disk.path();
  expect_unknown("which is not the base snapshot");
  expect_scans_and_is_right("which is not the base snapshot");
  expect_relies_on_it();
}

TEST_F(TrackingEpoch, EndsWithTheSnapshotThatTheMarksAreOf) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  write_noise(path_, kMiB, 10000, 2);
  const auto later = engine_->snapshot(path_, named({}, ChangeSource::kBitmap));
  ASSERT_TRUE(later) << later.error().to_string();
  write_noise(path_, 2 * kMiB, 10000, 3);
  ASSERT_TRUE(engine_->remove_snapshot(later->snapshot_id));
  const std::string why = "which is not the base snapshot";
  expect_unknown(why);
  expect_scans_and_is_right(why);
  expect_relies_on_it();
}

TEST_F(TrackingEpoch, GoesOnOverAnImport) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  write_noise(path_, kMiB, 10000, 2);
  const std::string image = file("golden.img");
  write_noise(image, 0, kEpochBytes, 1);
  write_noise(image, 12 * kMiB, kMiB, 9);
  ImportOptions golden;
  golden.name = "golden";
  ASSERT_TRUE(engine_->import_image(path_, image, golden));
  expect_nothing_missed();
  const auto done = engine_->rollback(path_, "golden",
                                      {.change_source = ChangeSource::kBitmap, .paranoid = true});
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(digest_of_file(disk.backing()), digest_of_file(image));
  EXPECT_LT(done->scanned_bytes, 2 * kMiB);
  expect_rolls_back();
}

// No request queue: its driver ends bios itself.
TEST_F(TrackingEpoch, HoldsForADeviceWithoutARequestQueue) {
  const auto zram = ZramDevice::make(kEpochBytes);
  if (!zram) GTEST_SKIP() << "there is no zram";
  write_noise(zram->path(), 0, kEpochBytes, 1);
  if (!track(zram->path())) GTEST_SKIP() << why_;
  EXPECT_EQ(marked(), Chunks());
  const UniqueFd fd = opened(zram->path(), O_RDWR | O_DIRECT);
  const AlignedBuffer bytes(64 * kKiB);
  ASSERT_EQ(::pwrite(fd.get(), bytes.data(), 4096, 3 * kMiB), 4096);
  ASSERT_EQ(::pwrite(fd.get(), bytes.data(), 64 * kKiB, 5 * kMiB + 4096), 64 * kKiB);
  std::array<std::uint64_t, 2> range = {8 * kMiB, 8192};
  ASSERT_EQ(::ioctl(fd.get(), BLKDISCARD, range.data()), 0);
  const std::uint64_t chunk = chunk_bytes();
  EXPECT_EQ(expect_nothing_missed(),
            chunks_of({{3 * kMiB, 4096}, {5 * kMiB + 4096, 64 * kKiB}, {8 * kMiB, 8192}}, chunk));
  expect_rolls_back();
}

TEST_F(TrackingEpoch, IsRefusedToAnImageFile) {
  make_sparse_file(file("image.img"), kEpochBytes);
  const auto begun = engine_->start_tracking(file("image.img"), ChangeSource::kBitmap);
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::kUnsupported) << begun.error().to_string();
  EXPECT_TRUE(engine_->disks()->empty());
}

// Kills the program at random moments; its results afterwards are compared with a copy in memory.
class TrackingKilled : public TrackedSystem {
 protected:
  using Random = std::mt19937;

  void write_somewhere(Random& random) const {
    const UniqueFd fd = opened(path_, O_RDWR | (random() % 2 == 0 ? O_DIRECT : 0));
    AlignedBuffer bytes(512 * kKiB);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes.data()[i] = static_cast<std::byte>(random());
    }
    for (int i = static_cast<int>(1 + random() % 6); i > 0; --i) {
      const std::uint64_t length = (1 + random() % 1024) * 512;
      const std::uint64_t at = random() % ((kEpochBytes - length) / 512) * 512;
      std::array<std::uint64_t, 2> range = {at, length};
      switch (random() % 6) {
        case 0:
          static_cast<void>(::ioctl(fd.get(), BLKDISCARD, range.data()));
          break;
        case 1:
          static_cast<void>(::ioctl(fd.get(), BLKZEROOUT, range.data()));
          break;
        default:
          ASSERT_EQ(::pwrite(fd.get(), bytes.data(), length, static_cast<off_t>(at)),
                    static_cast<ssize_t>(length));
      }
    }
  }

  // True: it was killed before it ended.
  bool run_and_kill(const std::vector<std::string>& line, unsigned microseconds) const {
    const UniqueFd null = opened("/dev/null", O_WRONLY);
    CliProcess process(variables_, line_of(line), null.get(), null.get());
    ::usleep(microseconds);
    process.kill(SIGKILL);
    const int status = process.wait();
    EXPECT_TRUE(status == 0 || status == 1000 + SIGKILL) << line[0] << ": " << status;
    // Its submitted I/O may still hold the device.
    while (!UniqueFd(::open(path_.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)).valid()) ::usleep(1000);
    return status != 0;
  }

  [[nodiscard]] bool is_pending() const {
    const json disk = only_disk();
    return disk.contains("pending_rollback") && !disk.at("pending_rollback").is_null();
  }

  void expect_rolls_back_to(const std::string& name) {
    const json done = ask({"rollback", path_, name});
    ++sources_[done.value("change_source", "?")];
    ASSERT_EQ(differing(read_device(path_), contents_.at(name), kDefaultChunkBytes), Chunks())
        << "by " << done.value("change_source", "?");
  }

  void take(const std::string& name) {
    const json taken = ask({"snapshot", path_, "--name", name});
    ++sources_[taken.value("change_source", "?")];
    contents_[name] = read_device(path_);
    const std::string exported = file("exported");
    ask({"export", name, exported});
    ASSERT_EQ(digest_of_file(exported), digest_of_file(backing_)) << name;
    std::filesystem::remove(exported);
  }

  void kill_for(Random::result_type seed, int rounds) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto any = [&] {
      auto found = contents_.begin();
      std::advance(found, static_cast<long>(random() % contents_.size()));
      return found->first;
    };
    for (int round = 0; round < rounds; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      write_somewhere(random);
      if (random() % 2 == 0) write_noise(path_, 0, kEpochBytes, random());  // much to do
      const auto how = random() % 4;
      const std::string target = any();
      std::vector<std::string> line = {"rollback", path_, target};
      if (how == 0) line = {"snapshot", path_, "--name", "cut " + std::to_string(round)};
      if (how == 1) line = {"undo", path_};
      if (how == 2) line.emplace_back("--no-undo");
      if (how == 1 && only_disk().value("undo_snapshot_id", json()).is_null()) continue;
      // The start of the program takes most of the time.
      killed_ += run_and_kill(line, static_cast<unsigned>(2000 + random() % 30000)) ? 1 : 0;
      write_somewhere(random);
      if (is_pending()) {
        ++pending_;
        const bool can_undo = how != 2;
        ask({can_undo && random() % 2 == 0 ? "undo" : "resume", path_});
        write_somewhere(random);
      }
      if (random() % 2 == 0) {
        ASSERT_NO_FATAL_FAILURE(take("kept " + std::to_string(round)));
        write_somewhere(random);
      }
      ASSERT_NO_FATAL_FAILURE(expect_rolls_back_to(any()));
      const std::uint64_t marked_bytes = ask({"track", "status", path_})
                                             .at("trackers")
                                             .at(0)
                                             .value("changed_bytes", std::uint64_t{0});
      EXPECT_EQ(marked_bytes, 0U);
    }
  }

  std::string backing_;
  std::map<std::string, AlignedBuffer> contents_;
  std::map<std::string, int> sources_;
  int killed_ = 0;
  int pending_ = 0;
};

TEST_F(TrackingKilled, AtAnyMomentAndTheNextOperationIsRight) {
  const LoopDevice disk = make_disk("disk.img", kEpochBytes);
  write_noise(disk.path(), 0, kEpochBytes, 1);
  backing_ = disk.backing();
  if (!track(disk.path())) GTEST_SKIP() << why_;
  contents_["base_snapshot"] = read_device(path_);
  kill_for(20261125, 48);
  std::cout << "killed " << killed_ << ", rollbacks to be finished " << pending_;
  for (const auto& [source, count] : sources_) std::cout << ", by " << source << " " << count;
  std::cout << "\n";
  EXPECT_GT(killed_, 0);
  EXPECT_GT(sources_["bitmap"], 0);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
