// Every rule of ResetDisk, triggered by real state through the public Engine; and a check that a
// refused restore has not changed the device.
#include <filesystem>
#include <optional>

#include "support/errors.h"
#include "support/loop_device.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

TEST_F(EngineRules, PassesAndUndoes) {
  const auto done = engine_->rollback(image_, snapshot_);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->snapshot_id, snapshot_);
  EXPECT_EQ(done->request_id.size(), 36U);
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
  ASSERT_TRUE(ok(engine_->undo(image_)));
  EXPECT_EQ(read_file(image_), changed_);
  ASSERT_TRUE(ok(engine_->undo(image_))) << "an undo can be undone";
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
}

TEST_F(EngineRules, MissingParameters) {
  EXPECT_TRUE(refused(engine_->rollback("", "before"), "MissingParameter"));
  EXPECT_THAT(engine_->rollback("", "before").error().message, HasSubstr("\"DiskId\""));
  EXPECT_TRUE(refused(engine_->rollback(image_, ""), "MissingParameter"));
  EXPECT_THAT(engine_->rollback(image_, "").error().message, HasSubstr("\"SnapshotId\""));
}

TEST_F(EngineRules, UnknownDiskAndSnapshot) {
  const std::string other = make_image("other.img", 'o');
  EXPECT_TRUE(refused(engine_->rollback(other, "before"), "InvalidDiskId.NotFound"));
  EXPECT_TRUE(refused(engine_->rollback("d-nothere", "before"), "InvalidDiskId.NotFound"));
  EXPECT_TRUE(
      refused(engine_->rollback(directory_.file("no.img"), "before"), "InvalidDiskId.NotFound"));
  EXPECT_TRUE(refused(engine_->undo(other), "InvalidDiskId.NotFound"));
  EXPECT_TRUE(refused(engine_->resume(other), "InvalidDiskId.NotFound"));
  EXPECT_TRUE(refused(engine_->rollback(image_, "after"), "InvalidSnapshotId.NotFound"));
  EXPECT_TRUE(refused(engine_->rollback(image_, "s-nothere"), "InvalidSnapshotId.NotFound"));
}

TEST_F(EngineRules, SnapshotOfAnotherDiskByIdAndByName) {
  const std::string other = make_image("other.img", 'o');
  const std::string theirs = take(other, "theirs");
  EXPECT_TRUE(refused(engine_->rollback(image_, theirs), "InvalidParameter.Mismatch"));
  EXPECT_TRUE(refused(engine_->rollback(image_, "theirs"), "InvalidParameter.Mismatch"));
  EXPECT_TRUE(
      failed(engine_->diff(image_, theirs, std::nullopt, [](Extent) {}), Errc::kPrecondition));
  // If both disks have a snapshot of that name, the target's own is used.
  take(other, "before");
  expect_passes();
}

TEST_F(EngineRules, DeviceOfAnotherSize) {
  std::filesystem::resize_file(image_, kImageBytes + 4096);
  changed_ = read_file(image_);
  expect_refused("OperationDenied", "bytes now");
  std::filesystem::resize_file(image_, kImageBytes);
  expect_passes();
}

TEST_F(EngineRules, DamagedSnapshot) {
  // Corrupts bytes in the middle of every segment.
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_.file("store/disks/1/segments"))) {
    const std::uint64_t size = std::filesystem::file_size(entry.path());
    for (std::uint64_t at = 4096; at + 64 < size; at += 4096) {
      fill(entry.path(), at, 64, '\x5A');
    }
  }
  const auto verified = engine_->verify({});
  ASSERT_TRUE(ok(verified));
  ASSERT_THAT(verified->damaged, testing::ElementsAre(snapshot_));
  EXPECT_TRUE(engine_->snapshots()->front().damaged);
  expect_refused("OperationDenied", "damaged");
}

TEST_F(EngineRules, TooOldOnlyAfterADetach) {
  const std::string golden = make_image("golden.img", 'g');
  ImportOptions options;
  options.name = "last day";
  options.created_at = 1373932799;  // 2013-07-15T23:59:59Z
  ASSERT_TRUE(ok(engine_->import_image(image_, golden, options)));
  options.name = "next day";
  options.created_at = 1373932800;
  ASSERT_TRUE(ok(engine_->import_image(image_, golden, options)));

  EXPECT_TRUE(ok(engine_->rollback(image_, "last day"))) << "it has never been detached";
  ASSERT_TRUE(ok(engine_->detach_disk(image_)));
  EXPECT_TRUE(refused(engine_->rollback(image_, "last day"), "InvalidSnapshot.TooOld"));
  ASSERT_TRUE(ok(engine_->attach_disk(image_, "i-local")));
  EXPECT_TRUE(refused(engine_->rollback(image_, "last day"), "InvalidSnapshot.TooOld"))
      << "attaching it again does not help";
  EXPECT_TRUE(ok(engine_->rollback(image_, "next day")));
}

TEST_F(EngineRules, AvailableDisk) {
  ASSERT_TRUE(ok(engine_->detach_disk(image_)));
  EXPECT_EQ(engine_->disk(image_)->status, "Available");
  expect_refused("IncorrectDiskStatus", "disk attach");
  engine_ = open(true);  // the current API
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security"))) << "counts while In_use only";
  expect_passes();
}

TEST_F(EngineRules, LocalInstanceLockedExpiredInArrears) {
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "financial")));
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security")));
  expect_refused("InstanceLockedForSecurity", "instance unlock i-local security");
  ASSERT_TRUE(ok(engine_->unlock_instance("i-local", "security")));

  InstanceChange change;
  change.expires_at = 1;
  ASSERT_TRUE(ok(engine_->change_instance("i-local", change)));
  expect_refused("InstanceExpiredOrInArrears", "instance set i-local never");
  change.expires_at = 32'000'000'000;  // in the year 2984
  change.in_arrears = true;
  ASSERT_TRUE(ok(engine_->change_instance("i-local", change)));
  expect_refused("InstanceExpiredOrInArrears", "instance set i-local no");
  change.in_arrears = false;
  ASSERT_TRUE(ok(engine_->change_instance("i-local", change)));
  expect_passes();
}

TEST_F(EngineRules, NamedInstanceThatRuns) {
  ASSERT_TRUE(ok(engine_->create_instance("i-web", "web")));
  ASSERT_TRUE(ok(engine_->detach_disk(image_)));
  ASSERT_TRUE(ok(engine_->attach_disk(image_, "i-web")));
  ASSERT_TRUE(ok(engine_->start_instance("i-web")));
  expect_refused("IncorrectInstanceStatus", "instance stop i-web");
  ASSERT_TRUE(ok(engine_->stop_instance("i-web")));
  ASSERT_TRUE(ok(engine_->lock_instance("i-web", "security")));
  expect_refused("InstanceLockedForSecurity", "i-web");
  ASSERT_TRUE(ok(engine_->unlock_instance("i-web", "security")));
  expect_passes();
  // Undo passes the same rules.
  ASSERT_TRUE(ok(engine_->start_instance("i-web")));
  EXPECT_TRUE(refused(engine_->undo(image_), "IncorrectInstanceStatus"));
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
}

TEST_F(EngineRules, OtherFileUnderTheSameName) {
  std::filesystem::rename(image_, image_ + ".old");
  make_image("disk.img", 'x');
  const auto result = engine_->rollback(image_, "before");
  ASSERT_TRUE(failed(result, Errc::kPrecondition));
  EXPECT_FALSE(words_of(result.error()).empty());
  EXPECT_TRUE(failed(engine_->rollback(disk_, "before"), Errc::kPrecondition)) << "by id as well";
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'x'));
  // The disk is found at its new path.
  EXPECT_TRUE(ok(engine_->rollback(image_ + ".old", "before")));
  EXPECT_EQ(read_file(image_ + ".old"), std::string(kImageBytes, 'a'));
}

TEST_F(EngineRules, UndoAndResumeWithNothingToTakeBack) {
  for (const auto& result : {engine_->undo(image_), engine_->resume(image_)}) {
    ASSERT_TRUE(failed(result, Errc::kPrecondition));
    EXPECT_EQ(api_of(result.error()), "");
    EXPECT_THAT(result.error().message, HasSubstr("nothing to"));
    EXPECT_FALSE(words_of(result.error()).empty());
  }
  RollbackOptions options;
  options.undo = false;
  ASSERT_TRUE(ok(engine_->rollback(image_, "before", options)));
  const auto gone = engine_->undo(image_);
  ASSERT_TRUE(failed(gone, Errc::kPrecondition));
  EXPECT_THAT(gone.error().message, HasSubstr("no undo snapshot"));
}

// Two rollbacks in a row must not lose the undo snapshot.
TEST_F(EngineRules, UndoTakesBackTheLastRollbackThatChangedSomething) {
  const auto first = engine_->rollback(image_, "before");
  ASSERT_TRUE(ok(first));
  const auto again = engine_->rollback(image_, "before");
  ASSERT_TRUE(ok(again));
  EXPECT_EQ(again->changed_bytes, 0U);
  EXPECT_EQ(engine_->disk(image_)->undo_snapshot_id, *first->undo_snapshot_id);
  ASSERT_TRUE(ok(engine_->undo(image_)));
  EXPECT_EQ(read_file(image_), changed_);
}

TEST_F(EngineRules, UndoAfterNothingButARollbackThatChangedNothing) {
  fill(image_, 0, kImageBytes, 'a');
  ASSERT_TRUE(ok(engine_->rollback(image_, "before")));
  const auto nothing = engine_->undo(image_);
  ASSERT_TRUE(failed(nothing, Errc::kPrecondition));
  EXPECT_THAT(nothing.error().message, HasSubstr("nothing to undo"));
}

TEST_F(EngineRules, UndoSnapshotThatWasDeleted) {
  const auto done = engine_->rollback(image_, "before");
  ASSERT_TRUE(ok(done));
  ASSERT_TRUE(done->undo_snapshot_id);
  ASSERT_TRUE(ok(engine_->remove_snapshot(*done->undo_snapshot_id)));
  EXPECT_TRUE(refused(engine_->undo(image_), "InvalidSnapshotId.NotFound"));
  EXPECT_EQ(engine_->disk(image_)->undo_snapshot_id, "");
}

// --- a real device ---

class EngineRulesOnLoop : public EngineTest {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
    EngineTest::SetUp();
    loop_.emplace(LoopDevice::make(directory_.file("loop.img"), 16 << 20));
    run_program({"mkfs.ext4", "-q", "-F", loop_->path()});
    std::filesystem::create_directory(directory_.file("mnt"));
  }
  std::optional<LoopDevice> loop_;
};

TEST_F(EngineRulesOnLoop, MountedDeviceMakesTheLocalInstanceRun) {
  take(loop_->path(), "before");
  {
    const Mount mount(loop_->path(), directory_.file("mnt"), "ext4");
    EXPECT_EQ(engine_->instance("i-local")->status, "Running");
    const auto result = engine_->rollback(loop_->path(), "before");
    ASSERT_TRUE(refused(result, "IncorrectInstanceStatus"));
    EXPECT_THAT(words_of(result.error()), HasSubstr("umount " + directory_.file("mnt")));
    EXPECT_TRUE(refused(engine_->detach_disk(loop_->path()), "IncorrectInstanceStatus"));
    const auto stop = engine_->stop_instance("i-local");
    ASSERT_TRUE(refused(stop, "IncorrectInstanceStatus"));
    EXPECT_THAT(words_of(stop.error()), HasSubstr("umount " + directory_.file("mnt")));
  }
  EXPECT_EQ(engine_->instance("i-local")->status, "Stopped");
  EXPECT_TRUE(ok(engine_->rollback(loop_->path(), "before")));
}

TEST_F(EngineRulesOnLoop, MountedDeviceIsNotTouchedWhateverTheRecordSays) {
  take(loop_->path(), "before");
  ASSERT_TRUE(ok(engine_->detach_disk(loop_->path())));
  ASSERT_TRUE(ok(engine_->create_instance("i-web", "")));
  ASSERT_TRUE(ok(engine_->attach_disk(loop_->path(), "i-web")));
  EXPECT_EQ(engine_->instance("i-web")->status, "Stopped");
  const Mount mount(loop_->path(), directory_.file("mnt"), "ext4");
  EXPECT_TRUE(refused(engine_->rollback(loop_->path(), "before"), "IncorrectInstanceStatus"));
}

TEST_F(EngineRulesOnLoop, FirstSnapshotOfAMountedDeviceLeavesNoDiskBehind) {
  const Mount mount(loop_->path(), directory_.file("mnt"), "ext4");
  SnapshotOptions options;
  options.online.in_use = InUse::kOffline;
  const auto result = engine_->snapshot(loop_->path(), options);
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().code == Errc::kPrecondition || result.error().code == Errc::kBusy);
  EXPECT_TRUE(engine_->disks()->empty());
}

TEST_F(EngineRulesOnLoop, SnapshotOfAMountedDeviceFreezesIt) {
  const Mount mount(loop_->path(), directory_.file("mnt"), "ext4");
  SnapshotOptions options;
  options.online.freeze_limit = std::chrono::seconds(30);  // the machine may be busy
  const auto result = engine_->snapshot(loop_->path(), options);
  ASSERT_TRUE(ok(result));
  EXPECT_EQ(result->taken_from, TakenFrom::kFrozen);
  EXPECT_EQ(result->frozen, std::vector<std::string>{directory_.file("mnt")});
  EXPECT_EQ(engine_->snapshots().value().front().taken_from, TakenFrom::kFrozen);
}

}  // namespace
}  // namespace blkrewind::test
