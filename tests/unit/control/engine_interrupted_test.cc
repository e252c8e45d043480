// The rules while an operation runs, and after one that was killed or cancelled.
#include <atomic>
#include <string_view>

#include "support/errors.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

// Progress is reported at the end of each phase at the latest, however short it is; so the
// callbacks of these tests interrupt the operation at known points: after the last byte of the
// phase, before the journal records the end.
TEST_F(EngineRules, SnapshotThatIsBeingTaken) {
  auto second = open();
  int seen = 0;
  Monitor monitor;
  monitor.progress = [&](const Progress&) {
    if (seen++ > 0) return;
    std::string progressing;
    const auto infos = second->snapshots();
    ASSERT_TRUE(ok(infos));
    for (const SnapshotInfo& info : *infos) {
      if (info.status == SnapshotStatus::kProgressing) progressing = info.id;
    }
    ASSERT_FALSE(progressing.empty());
    EXPECT_TRUE(refused(second->rollback(image_, progressing), "InvalidSnapshotId.NotReady"));
    EXPECT_TRUE(
        refused(second->rollback(image_, "before"), "IncorrectDiskStatus.HasUnfinishedSnapshot"));
    EXPECT_TRUE(failed(second->remove_snapshot(progressing), Errc::kBusy));
    EXPECT_EQ(second->disk(image_)->status, "In_use") << "it is not the first one";
  };
  ASSERT_TRUE(ok(engine_->snapshot(image_, {}, monitor)));
  EXPECT_GT(seen, 0);
  expect_passes();
}

TEST_F(EngineRules, SnapshotWhoseProcessDiedCountsAsFailed) {
  ASSERT_TRUE(killed_in("scan", [&](Engine& engine, const Monitor& monitor) {
    SnapshotOptions options;
    options.name = "died";
    (void)engine.snapshot(image_, options, monitor);
  }));
  const auto infos = engine_->snapshots();
  ASSERT_TRUE(ok(infos));
  ASSERT_EQ(infos->size(), 2U);
  EXPECT_EQ(infos->back().name, "died");
  EXPECT_EQ(infos->back().status, SnapshotStatus::kFailed);
  EXPECT_EQ(infos->back().root_digest, "");
  const auto result = engine_->rollback(image_, "died");
  ASSERT_TRUE(refused(result, "InvalidSnapshotId.NotReady"));
  EXPECT_THAT(words_of(result.error()), HasSubstr("delete " + infos->back().id));
  EXPECT_TRUE(
      refused(engine_->export_image("died", directory_.file("x")), "InvalidSnapshotId.NotReady"));
  EXPECT_TRUE(ok(engine_->rollback(image_, "before"))) << "it blocks nothing";
  const std::string again = take(image_, "died");
  const auto image = engine_->export_image("died", directory_.file("x"));
  ASSERT_TRUE(ok(image)) << "nor does its name";
  EXPECT_EQ(image->snapshot_id, again);
  EXPECT_TRUE(ok(engine_->remove_snapshot(infos->back().id)));
}

TEST_F(EngineRules, RollbackThatRuns) {
  auto second = open();
  bool seen = false;
  Monitor monitor;
  monitor.progress = [&](const Progress& progress) {
    if (std::string_view(progress.phase) != "restore") return;
    seen = true;
    const auto result = second->rollback(image_, "before");
    EXPECT_TRUE(refused(result, "InvalidOperation.DiskResetInProgress"));
    EXPECT_THAT(words_of(result.error()), HasSubstr("wait"));
    EXPECT_TRUE(failed(second->resume(image_), Errc::kBusy));
    EXPECT_TRUE(failed(second->undo(image_), Errc::kBusy));
    for (const Status& status : {Status(second->detach_disk(image_)),
                                 second->forget_disk(image_).map([](const DiskInfo&) {}),
                                 Status(second->attach_disk(image_, "i-local"))}) {
      ASSERT_TRUE(failed(status, Errc::kPrecondition));
      EXPECT_THAT(words_of(status.error()), HasSubstr("wait"));
    }
    const auto gone = second->remove_snapshot("before");
    EXPECT_TRUE(refused(gone, "InvalidOperation.DiskResetInProgress"));
    EXPECT_THAT(words_of(gone.error()), HasSubstr("wait"));
    const auto disk = second->disk(image_);
    ASSERT_TRUE(ok(disk));
    EXPECT_EQ(disk->status, "ReIniting");
    ASSERT_TRUE(disk->pending_rollback);
    EXPECT_TRUE(disk->pending_rollback->running);
  };
  ASSERT_TRUE(ok(engine_->rollback(image_, "before", {}, monitor)));
  EXPECT_TRUE(seen);
}

// Before the first byte is written there is no intent, only an operation that holds the disk.
TEST_F(EngineRules, RollbackThatScans) {
  auto second = open();
  bool seen = false;
  Monitor monitor;
  monitor.progress = [&](const Progress& progress) {
    if (std::string_view(progress.phase) != "scan") return;
    seen = true;
    for (const auto& result :
         {second->rollback(image_, "before"), second->undo(image_), second->resume(image_)}) {
      ASSERT_TRUE(failed(result, Errc::kBusy));
      EXPECT_EQ(api_of(result.error()), "Operation.Conflict");
      EXPECT_THAT(words_of(result.error()), HasSubstr("wait"));
    }
    const Status detached = second->detach_disk(image_);
    ASSERT_TRUE(failed(detached, Errc::kBusy));
    EXPECT_THAT(detached.error().message, HasSubstr(disk_));
  };
  ASSERT_TRUE(ok(engine_->rollback(image_, "before", {}, monitor)));
  EXPECT_TRUE(seen);
}

TEST_F(EngineRules, InterruptedRollbackOfADeviceThatIsGoneIsGivenUpWithTheDisk) {
  ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
    (void)engine.rollback(image_, "before", {}, monitor);
  }));
  EXPECT_TRUE(refused(engine_->forget_disk(disk_, true), "InvalidOperation.DiskResetInProgress"))
      << "its device is there";
  ASSERT_EQ(unlink(image_.c_str()), 0);
  const auto resumed = engine_->resume(disk_);
  ASSERT_FALSE(resumed);
  EXPECT_THAT(words_of(resumed.error()), HasSubstr("give it up with its snapshots"));
  EXPECT_TRUE(refused(engine_->forget_disk(disk_), "InvalidOperation.DiskResetInProgress"));
  EXPECT_TRUE(ok(engine_->forget_disk(disk_, true)));
  EXPECT_TRUE(engine_->disks()->empty());
}

TEST_F(EngineRules, RollbackWhoseProcessDiedIsFinishedOrTakenBack) {
  for (const bool forward : {true, false}) {
    SCOPED_TRACE(forward);
    fill(image_, 65536, 4096, 'b');
    ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
      (void)engine.rollback(image_, "before", {}, monitor);
    }));
    const auto disk = engine_->disk(image_);
    ASSERT_TRUE(ok(disk));
    ASSERT_TRUE(disk->pending_rollback);
    EXPECT_FALSE(disk->pending_rollback->running);
    EXPECT_EQ(disk->pending_rollback->snapshot_id, snapshot_);
    EXPECT_EQ(disk->undo_snapshot_id, disk->pending_rollback->undo_snapshot_id);
    EXPECT_TRUE(refused(engine_->remove_snapshot(disk->undo_snapshot_id),
                        "InvalidOperation.DiskResetInProgress"));
    if (forward) {
      ASSERT_TRUE(ok(engine_->resume(image_)));
      EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
    } else {
      ASSERT_TRUE(ok(engine_->undo(image_)));
      EXPECT_EQ(read_file(image_), changed_);
    }
    EXPECT_FALSE(engine_->disk(image_)->pending_rollback);
    EXPECT_EQ(engine_->disk(image_)->status, "In_use");
  }
}

TEST_F(EngineRules, InterruptedRollbackWithoutUndoCanOnlyBeFinished) {
  ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
    RollbackOptions options;
    options.undo = false;
    (void)engine.rollback(image_, "before", options, monitor);
  }));
  const auto back = engine_->undo(image_);
  ASSERT_TRUE(failed(back, Errc::kPrecondition));
  EXPECT_THAT(back.error().message, HasSubstr("no undo snapshot"));
  const auto expect_only_resume = [&](const auto& refused) {
    ASSERT_FALSE(refused);
    EXPECT_THAT(words_of(refused.error()), HasSubstr("resume " + image_));
    EXPECT_EQ(refused.error().remedy.find(Verb::kUndo), nullptr) << words_of(refused.error());
  };
  expect_only_resume(back);
  expect_only_resume(engine_->rollback(image_, "before"));
  expect_only_resume(engine_->snapshot(image_));
  expect_only_resume(engine_->remove_snapshot(snapshot_));
  expect_only_resume(engine_->detach_disk(image_));
  expect_only_resume(engine_->forget_disk(image_));
  ASSERT_TRUE(ok(engine_->resume(image_)));
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
}

TEST_F(EngineRules, RollbackThatWasInterrupted) {
  std::atomic<bool> cancel = false;
  Monitor monitor;
  monitor.cancel = &cancel;
  monitor.progress = [&](const Progress& progress) {
    if (progress.done_bytes == progress.total_bytes) cancel = true;  // the scan has ended
  };
  ASSERT_TRUE(failed(engine_->rollback(image_, "before", {}, monitor), Errc::kCancelled));
  ASSERT_TRUE(engine_->disk(image_)->pending_rollback);
  EXPECT_EQ(engine_->disk(image_)->status, "ReIniting");

  const auto again = engine_->rollback(image_, "before");
  EXPECT_TRUE(refused(again, "InvalidOperation.DiskResetInProgress"));
  EXPECT_THAT(words_of(again.error()), HasSubstr("resume " + image_));
  EXPECT_THAT(words_of(again.error()), HasSubstr("undo " + image_));
  const std::string pending = "InvalidOperation.DiskResetInProgress";
  EXPECT_TRUE(refused(engine_->snapshot(image_), pending));
  EXPECT_TRUE(refused(engine_->import_image(image_, make_image("g.img", 'g')), pending));
  EXPECT_TRUE(refused(engine_->remove_snapshot(snapshot_), pending));
  EXPECT_TRUE(refused(engine_->forget_disk(image_, true), pending));
  EXPECT_TRUE(refused(engine_->detach_disk(image_), "IncorrectDiskStatus"));

  // Finishing it is a restore too.
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security")));
  EXPECT_TRUE(refused(engine_->resume(image_), "InstanceLockedForSecurity"));
  EXPECT_TRUE(refused(engine_->undo(image_), "InstanceLockedForSecurity"));
  ASSERT_TRUE(ok(engine_->unlock_instance("i-local", "security")));
  ASSERT_TRUE(ok(engine_->undo(image_)));
  EXPECT_EQ(read_file(image_), changed_);
  expect_passes();
}

}  // namespace
}  // namespace blkrewind::test
