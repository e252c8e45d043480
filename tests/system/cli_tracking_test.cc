// track, --change-source and --paranoid as a user sees them: their output, and what they refuse.
#ifdef BLKREWIND_PROGRAM

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kTrackedChunk = 64 * kKiB;
constexpr std::uint64_t kSize = 16 * kMiB;

// A loop device that the kernel tracks; skips if that is not possible.
class CliTracking : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    disk_.emplace(make_disk("disk.img", kSize));
    device_ = disk_->path();
    write_noise(device_, 0, 4 * kMiB, 1);
    const CliOutcome outcome = run({"track", "start", device_});
    if (lacks_kernel_tracking(outcome.err)) GTEST_SKIP() << outcome.err;
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    started_ = json::parse(outcome.out);
  }

  void TearDown() override {
    if (disk_) static_cast<void>(run({"track", "stop", device_}));
  }

  // The only tracker in "track status".
  json tracker() const {
    const json trackers = ask({"track", "status", device_}).value("trackers", json::array());
    EXPECT_EQ(trackers.size(), 1U);
    return trackers.empty() ? json::object() : trackers.at(0);
  }

  std::string text(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--store", store_});
    const CliOutcome outcome = program_.run_with({}, arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }

  [[nodiscard]] std::string content() const { return digest_of_file(disk_->backing()); }

  void expect_void(const std::string& reason) const {
    const json now = tracker();
    EXPECT_EQ(now.value("valid", true), false) << now;
    EXPECT_NE(now.value("reason", "").find(reason), std::string::npos) << now;
    EXPECT_TRUE(now.at("base_snapshot_id").is_null()) << now;
    EXPECT_TRUE(now.at("changed_bytes").is_null()) << now;
    EXPECT_NE(text({"track", "status", device_}).find("not ready: "), std::string::npos);
  }

  std::optional<LoopDevice> disk_;
  std::string device_;
  json started_;
};

TEST_F(CliTracking, StartStatusAndStopHaveOneShape) {
  EXPECT_EQ(started_.at("path"), device_);
  EXPECT_EQ(started_.at("disk_id"), only_disk().at("disk_id"));
  EXPECT_EQ(ask({"track", "status", device_}), started_);
  const json begun = tracker();
  EXPECT_EQ(begun.at("source"), "bitmap");
  EXPECT_EQ(begun.at("granule_bytes"), kTrackedChunk);
  EXPECT_GT(begun.at("memory_bytes"), 0);
  expect_void("the next snapshot or rollback reads everything once");

  const json snapshot = ask({"snapshot", device_, "--name", "base"});
  EXPECT_EQ(tracker(), (json{{"source", "bitmap"},
                             {"valid", true},
                             {"reason", nullptr},
                             {"base_snapshot_id", snapshot.at("snapshot_id")},
                             {"changed_bytes", 0},
                             {"granule_bytes", kTrackedChunk},
                             {"memory_bytes", begun.at("memory_bytes")}}));
  write_noise(device_, 3 * kTrackedChunk, 512, 2);
  EXPECT_EQ(tracker().at("changed_bytes"), kTrackedChunk);
  const std::string shown = text({"track", "status", device_});
  for (const char* part : {"tracked by  bitmap", "state       valid", "64 KiB at most"}) {
    EXPECT_NE(shown.find(part), std::string::npos) << part << " in " << shown;
  }

  EXPECT_EQ(ask({"track", "stop", device_}), (json{{"stopped", {"bitmap"}}}));
  EXPECT_EQ(ask({"track", "stop", device_}), (json{{"stopped", json::array()}}));
  EXPECT_EQ(ask({"track", "status", device_}).at("trackers"), json::array());
  EXPECT_NE(text({"track", "stop", device_}).find("was not tracked"), std::string::npos);
  EXPECT_NE(text({"track", "status", device_}).find("every operation scans"), std::string::npos);
}

TEST_F(CliTracking, ReceiptsNameTheSourceAndWhatItCost) {
  EXPECT_EQ(ask({"snapshot", device_, "--name", "base"}).at("change_source"), "scan");
  const std::string before = content();
  const auto change = [&] { write_noise(device_, 5 * kTrackedChunk, 2 * kTrackedChunk, 3); };
  change();
  const std::string after = content();

  const json plan = ask({"rollback", device_, "base", "--dry-run"});
  EXPECT_EQ(plan.at("change_source"), "bitmap");
  EXPECT_EQ(plan.at("scanned_bytes"), 2 * kTrackedChunk);
  const json done = ask({"rollback", device_, "base"});
  EXPECT_EQ(done.at("change_source"), "bitmap");
  EXPECT_EQ(done.at("changed_bytes"), 2 * kTrackedChunk);
  EXPECT_TRUE(done.at("scan_seconds").is_number());
  EXPECT_TRUE(done.at("restore_seconds").is_number());
  EXPECT_FALSE(done.contains("rechecked_bytes"));
  EXPECT_EQ(content(), before);
  EXPECT_EQ(ask({"undo", device_}).at("change_source"), "bitmap");
  EXPECT_EQ(content(), after);

  const json unread = ask({"rollback", device_, "base", "--no-undo", "--paranoid"});
  EXPECT_EQ(unread.at("change_source"), "bitmap");
  EXPECT_EQ(unread.at("scanned_bytes"), 0);
  EXPECT_EQ(unread.at("restored_bytes"), 2 * kTrackedChunk);
  EXPECT_GE(unread.at("rechecked_bytes"), 4 * kMiB);
  EXPECT_EQ(content(), before);

  change();
  const json scanned = ask({"rollback", device_, "base", "--change-source", "scan"});
  EXPECT_EQ(scanned.at("change_source"), "scan");
  EXPECT_GE(scanned.at("scanned_bytes"), 4 * kMiB);
  EXPECT_EQ(tracker().at("changed_bytes"), 0) << "a scan moves the tracker on as well";

  change();
  const json next = ask({"snapshot", device_, "--change-source", "bitmap"});
  EXPECT_EQ(next.at("change_source"), "bitmap");
  EXPECT_EQ(next.at("scanned_bytes"), 2 * kTrackedChunk);
  EXPECT_EQ(next.at("stored_bytes"), 2 * kTrackedChunk);

  change();
  const std::string receipt = text({"rollback", device_, "base", "--paranoid"});
  EXPECT_NE(receipt.find("by             bitmap\n"), std::string::npos) << receipt;
  EXPECT_NE(receipt.find(", no change was missed\n"), std::string::npos) << receipt;
}

TEST_F(CliTracking, ASourceThatSaysNothingIsRefusedWhenItIsInsistedOn) {
  // Started, and no snapshot since.
  const json early = ask({"snapshot", device_, "--change-source", "bitmap"}, 3);
  EXPECT_EQ(early.at("code"), "Precondition");
  EXPECT_NE(early.at("message").get<std::string>().find("the next snapshot or rollback"),
            std::string::npos)
      << early;
  EXPECT_NE(early.at("hint").get<std::string>().find("--store " + store_ + " track status"),
            std::string::npos)
      << early;
  EXPECT_EQ(only_disk().at("snapshots"), json::array()) << "a refusal leaves nothing";

  ask({"snapshot", device_, "--name", "base"});
  write_noise(device_, 0, kTrackedChunk, 4);
  const json other = expect_refused(
      *disk_, {"rollback", device_, "base", "--change-source", "extents"}, "not tracked by it");
  EXPECT_NE(other.at("hint").get<std::string>().find("track start " + device_), std::string::npos)
      << other;
  ask({"track", "stop", device_});
  expect_refused(*disk_, {"rollback", device_, "base", "--change-source", "bitmap"},
                 "--source bitmap");
  EXPECT_EQ(ask({"rollback", device_, "base"}).at("change_source"), "scan");
}

TEST_F(CliTracking, WhatCannotBeTrackedIsSaidSo) {
  EXPECT_EQ(ask({"track", "start", device_}, 3).at("code"), "AlreadyExists");
  EXPECT_EQ(ask({"track", "status", "d-nosuch"}, 3).at("code"), "InvalidDiskId.NotFound");
  const std::string image = file("image");
  make_sparse_file(image, kSize);
  const json refused = ask({"track", "start", image, "--source", "bitmap"}, 4);
  EXPECT_EQ(refused.at("code"), "Unsupported");
  EXPECT_NE(refused.at("hint").get<std::string>().find("--source extents"), std::string::npos);
  EXPECT_EQ(ask({"track", "start", image}, 4).at("code"), "Unsupported") << "memory has no clones";
  EXPECT_EQ(ask({"list"}).at("disks").size(), 1U) << "the image is registered though refused";
}

TEST_F(CliTracking, AMissedChangeIsFoundByParanoidAndVoidsTheTracker) {
  ask({"snapshot", device_, "--name", "base"});
  const std::string before = content();
  write_noise(device_, 2 * kTrackedChunk, kTrackedChunk, 5);
  // Below the device, where it is not detected.
  write_noise(disk_->backing(), 10 * kTrackedChunk, kTrackedChunk, 6);
  write_noise(disk_->backing(), 11 * kTrackedChunk, 512, 7);
  const json missed = ask({"rollback", device_, "base", "--paranoid"}, 5);
  EXPECT_EQ(missed.at("code"), "Integrity");
  EXPECT_EQ(missed.at("extent"),
            (json{{"offset", 10 * kTrackedChunk}, {"length", 2 * kTrackedChunk}}));
  EXPECT_NE(missed.at("hint").get<std::string>().find("--change-source scan"), std::string::npos);
  expect_void("a rollback with --paranoid found it");
  ask({"rollback", device_, "base", "--change-source", "bitmap"}, 3);

  EXPECT_EQ(ask({"rollback", device_, "base"}).at("change_source"), "scan");
  EXPECT_EQ(content(), before);
  EXPECT_EQ(tracker().at("valid"), true);
}

TEST_F(CliTracking, AProgramWithoutAPinIsVoidUntilItIsStartedAnew) {
  ask({"snapshot", device_, "--name", "base"});
  const std::string pins =
      "/sys/fs/bpf/blkrewind/" + started_.at("disk_id").get<std::string>() + "/";
  ASSERT_EQ(::unlink((pins + "on_complete").c_str()), 0);
  expect_void("on_complete is gone");
  write_noise(device_, 0, kTrackedChunk, 8);
  EXPECT_EQ(ask({"rollback", device_, "base"}).at("change_source"), "scan");
  expect_void("on_complete is gone");
  ask({"track", "start", device_});
  ask({"snapshot", device_});
  EXPECT_EQ(tracker().at("valid"), true);
  ask({"track", "stop", device_});
  EXPECT_FALSE(std::filesystem::exists(pins));
}

TEST_F(CliTracking, ADeviceThatWasAwayIsVoidUntilItIsStartedAnew) {
  ask({"snapshot", device_, "--name", "base"});
  run_program({"losetup", "--detach", device_});
  run_program({"losetup", device_, disk_->backing()});
  expect_void("detached and attached again");
  write_noise(device_, 0, kTrackedChunk, 9);
  ask({"rollback", device_, "base", "--change-source", "bitmap"}, 3);
  EXPECT_EQ(ask({"rollback", device_, "base"}).at("change_source"), "scan");
  ask({"track", "start", device_});
  ask({"snapshot", device_});
  EXPECT_EQ(tracker().at("valid"), true);
}

// An image on XFS, tracked by extents.
class CliExtents : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    std::ifstream known("/proc/filesystems");
    const std::string types{std::istreambuf_iterator<char>(known), {}};
    if (types.find("\txfs\n") == std::string::npos) GTEST_SKIP() << "this kernel has no XFS";
    make_sparse_file(file("xfs"), 512 * kMiB);
    run_program({"mkfs.xfs", "-q", "-m", "reflink=1", file("xfs")});
    below_.emplace(LoopDevice::make(file("xfs"), 0));
    mount_.emplace(below_->path(), make_directory("mnt"), "xfs");
    image_ = file("mnt") + "/disk.img";
    write_noise(image_, 0, 4 * kMiB, 1);
  }

  void TearDown() override {
    if (loop_) static_cast<void>(run({"track", "stop", loop_->path()}));
    if (mount_) static_cast<void>(run({"track", "stop", image_}));
  }

  std::optional<LoopDevice> below_;
  std::optional<Mount> mount_;
  std::string image_;
  std::optional<LoopDevice> loop_;  // over the image
};

TEST_F(CliExtents, AreWhatAutoIsForAFileAndSeeWhatIsWrittenToIt) {
  const json started = ask({"track", "start", image_});
  EXPECT_EQ(started.at("trackers").at(0).at("source"), "extents");
  EXPECT_EQ(started.at("trackers").at(0).at("valid"), false);
  EXPECT_EQ(ask({"track", "start", image_, "--source", "extents"}, 3).at("code"), "AlreadyExists");
  EXPECT_EQ(ask({"track", "start", image_, "--source", "bitmap"}, 4).at("code"), "Unsupported");
  ask({"rollback", image_, "none", "--change-source", "bitmap"}, 3);

  const json base = ask({"snapshot", image_, "--name", "base"});
  EXPECT_EQ(base.at("change_source"), "scan");
  const std::string before = digest_of_file(image_);
  const json valid = ask({"track", "status", image_}).at("trackers").at(0);
  EXPECT_EQ(valid.at("valid"), true);
  EXPECT_EQ(valid.at("base_snapshot_id"), base.at("snapshot_id"));
  write_noise(image_, kTrackedChunk, kTrackedChunk, 2);
  const json done = ask({"rollback", image_, "base", "--change-source", "extents", "--paranoid"});
  EXPECT_EQ(done.at("change_source"), "extents");
  EXPECT_EQ(done.at("changed_bytes"), kTrackedChunk);
  EXPECT_EQ(done.at("rechecked_bytes"), 4 * kMiB);
  EXPECT_EQ(digest_of_file(image_), before);

  EXPECT_EQ(ask({"track", "stop", image_}), (json{{"stopped", {"extents"}}}));
  EXPECT_EQ(ask({"track", "status", image_}).at("trackers"), json::array());
}

// The program in the kernel does not see direct writes to the file below the loop device.
TEST_F(CliExtents, AreBelievedBeforeTheBitmap) {
  const std::string device = loop_.emplace(LoopDevice::make(image_, 0)).path();
  const CliOutcome started = run({"track", "start", device, "--source", "bitmap"});
  if (lacks_kernel_tracking(started.err)) GTEST_SKIP() << started.err;
  ASSERT_EQ(started.status, 0) << started.err;
  ask({"track", "start", device, "--source", "extents"});
  ask({"snapshot", device, "--name", "base"});
  const std::string before = digest_of_file(image_);
  write_noise(image_, kTrackedChunk, kTrackedChunk, 2);
  const json done = ask({"rollback", device, "base"});
  EXPECT_EQ(done.at("change_source"), "extents");
  EXPECT_EQ(digest_of_file(image_), before);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
