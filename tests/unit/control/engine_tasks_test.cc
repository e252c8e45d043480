// Rollbacks and snapshots in two steps: acceptance, how they are shown, and the state after a
// crash.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "control/engine_internal.h"
#include "support/errors.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class EngineTasks : public EngineRules {
 protected:
  static AcceptOptions named(const std::string& request_id) {
    AcceptOptions options;
    options.request_id = request_id;
    return options;
  }

  [[nodiscard]] DiskInfo disk_now() const {
    auto disk = engine_->disk(disk_);
    if (!disk) throw std::runtime_error(disk.error().to_string());
    return *disk;
  }

  void expect_restored() const { EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a')); }
};

TEST_F(EngineTasks, AcceptedRollbackShowsAsReInitingUntilItHasRun) {
  auto task = engine_->accept_rollback(disk_, snapshot_, named("R-1"));
  ASSERT_TRUE(ok(task));
  EXPECT_EQ(task->request_id(), "R-1");
  EXPECT_EQ(task->disk_id(), disk_);
  EXPECT_EQ(task->snapshot_id(), snapshot_);
  EXPECT_EQ(read_file(image_), changed_) << "nothing is done yet";
  EXPECT_EQ(disk_now().status, "ReIniting");
  ASSERT_TRUE(disk_now().last_reset);
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kAccepted);

  auto second = open();
  EXPECT_EQ(second->disk(disk_)->status, "ReIniting") << "for every process";
  EXPECT_TRUE(
      refused(second->accept_rollback(disk_, snapshot_), "InvalidOperation.DiskResetInProgress"));
  EXPECT_TRUE(refused(second->rollback(disk_, snapshot_), "InvalidOperation.DiskResetInProgress"));
  const auto other = second->accept_snapshot(disk_);
  ASSERT_TRUE(failed(other, Errc::kBusy));
  EXPECT_EQ(api_of(other.error()), "Operation.Conflict");
  EXPECT_TRUE(failed(second->remove_snapshot(snapshot_), Errc::kBusy));

  const auto receipt = task->run();
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->request_id, "R-1");
  expect_restored();
  EXPECT_EQ(disk_now().status, "In_use");
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
  EXPECT_TRUE(failed(task->run(), Errc::kInvalidArgument)) << "once";
  ASSERT_TRUE(ok(engine_->undo(disk_)));
  EXPECT_EQ(read_file(image_), changed_);
}

// A client that sees the end may use the disk at once.
TEST_F(EngineTasks, TheDiskIsFreeWhenItIsSaidToBe) {
  for (int round = 0; round < 25; ++round) {
    auto task = engine_->accept_rollback(disk_, snapshot_);
    ASSERT_TRUE(ok(task)) << "round " << round;
    std::thread worker([&] { EXPECT_TRUE(ok(task->run())); });
    while (disk_now().status != "In_use") std::this_thread::yield();
    EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
    const auto next = engine_->accept_rollback(disk_, snapshot_);
    worker.join();
    ASSERT_TRUE(ok(next)) << "round " << round;
  }
}

TEST_F(EngineTasks, ASnapshotCanBeDeletedWhenItIsSaidToBeThere) {
  for (int round = 0; round < 25; ++round) {
    auto task = engine_->accept_snapshot(disk_);
    ASSERT_TRUE(ok(task)) << "round " << round;
    std::thread worker([&] { EXPECT_TRUE(ok(task->run())); });
    const auto is_there = [&] {
      const auto snapshots = engine_->snapshots(disk_);
      return snapshots && std::any_of(snapshots->begin(), snapshots->end(), [&](const auto& one) {
               return one.id == task->snapshot_id() && one.status == SnapshotStatus::kAccomplished;
             });
    };
    while (!is_there()) std::this_thread::yield();
    const auto removed = engine_->remove_snapshot(task->snapshot_id());
    worker.join();
    ASSERT_TRUE(ok(removed)) << "round " << round;
  }
}

TEST_F(EngineTasks, DryRunPassesEveryRuleAndHoldsNothing) {
  AcceptOptions options;
  options.dry_run = true;
  EXPECT_TRUE(refused(engine_->accept_rollback(disk_, snapshot_, options), "DryRunOperation"));
  EXPECT_EQ(disk_now().status, "In_use");
  EXPECT_FALSE(disk_now().last_reset);
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security")));
  EXPECT_TRUE(
      refused(engine_->accept_rollback(disk_, snapshot_, options), "InstanceLockedForSecurity"));
}

TEST_F(EngineTasks, StrangersNameIdsOnly) {
  AcceptOptions options;
  options.ids_only = true;
  for (const std::string& target : {image_, std::string("/dev/null"), std::string("disk.img")}) {
    EXPECT_TRUE(
        refused(engine_->accept_rollback(target, snapshot_, options), "InvalidDiskId.NotFound"))
        << target;
  }
  for (const std::string text : {"before", "latest", "s-"}) {
    EXPECT_TRUE(
        refused(engine_->accept_rollback(disk_, text, options), "InvalidSnapshotId.NotFound"))
        << text;
  }
  EXPECT_TRUE(refused(engine_->accept_rollback("", "", options), "MissingParameter"));
  EXPECT_TRUE(refused(engine_->accept_rollback(disk_, "", options), "MissingParameter"));
  EXPECT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_, options)));
}

TEST_F(EngineTasks, TaskThatNeverRanIsTakenUpAgain) {
  { ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_, named("R-2")))); }
  EXPECT_EQ(disk_now().status, "In_use") << "no process holds it";
  auto second = open();
  auto tasks = second->unfinished_rollbacks();
  ASSERT_TRUE(ok(tasks));
  ASSERT_EQ(tasks->size(), 1U);
  EXPECT_EQ(tasks->front().request_id(), "R-2");
  EXPECT_EQ(disk_now().status, "ReIniting");
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty()) << "the other process has it";
  ASSERT_TRUE(ok(tasks->front().run()));
  expect_restored();
  EXPECT_TRUE(second->unfinished_rollbacks()->empty());
}

TEST_F(EngineTasks, OneThatHasNotBegunIsNotBegunHoursLater) {
  { ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_))); }
  EngineAccess::set_clock(*engine_, [] { return std::time(nullptr) + 2 * 3600; });
  const auto tasks = engine_->unfinished_rollbacks();
  ASSERT_TRUE(ok(tasks));
  EXPECT_TRUE(tasks->empty());
  EXPECT_EQ(read_file(image_), changed_);
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_EQ(disk_now().last_reset->error_code, "ServiceUnavailable");
}

// Every way in which the clocks cannot prove that it was within an hour.
TEST_F(EngineTasks, OneIsNotBegunWhereTheClocksAreInDoubt) {
  const Moment accepted = moment_now();
  const auto reset_at = [&](const Moment& then, const Moment& now) {
    EngineAccess::set_moments(*engine_, [then] { return then; });
    { EXPECT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_))); }
    EngineAccess::set_moments(*engine_, [now] { return now; });
    const auto tasks = engine_->unfinished_rollbacks();
    EXPECT_TRUE(ok(tasks));
    return tasks ? tasks->size() : 99;
  };
  Moment now = accepted;
  now.wall += 3600;
  now.boottime += 3600;
  EXPECT_EQ(reset_at(accepted, now), 1U);
  now.wall += 1;
  now.boottime += 1;
  EXPECT_EQ(reset_at(accepted, now), 0U);
  EXPECT_THAT(disk_now().last_reset->error_message, HasSubstr("within an hour"));
  Moment ahead = accepted;
  ahead.wall += 86'400;
  EXPECT_EQ(reset_at(ahead, accepted), 0U) << "accepted a day ahead, then the clock was set right";
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_THAT(disk_now().last_reset->error_message, HasSubstr("the clock was set"));
  EXPECT_EQ(reset_at(accepted, ahead), 0U);
  Moment reboot = accepted;
  reboot.boot_id = "another";
  EXPECT_EQ(reset_at(accepted, reboot), 0U);
  EXPECT_THAT(disk_now().last_reset->error_message, HasSubstr("rebooted"));
  Moment unknown = accepted;
  unknown.boot_id.clear();
  EXPECT_EQ(reset_at(unknown, unknown), 0U) << "without /proc it is not known which boot that was";
  Moment earlier = accepted;
  earlier.boottime -= 10;
  EXPECT_EQ(reset_at(accepted, earlier), 0U) << "a restored virtual machine";
  EXPECT_EQ(read_file(image_), changed_);
  EXPECT_EQ(disk_now().last_reset->error_code, "ServiceUnavailable");
}

TEST_F(EngineTasks, OneThatWaitedTooLongForAWorkerIsNotBegun) {
  Moment now = moment_now();
  EngineAccess::set_moments(*engine_, [&] { return now; });
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  now.boottime += 3601;
  EXPECT_TRUE(failed(task->run(), Errc::kBusy));
  EXPECT_EQ(read_file(image_), changed_);
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_EQ(disk_now().last_reset->error_code, "ServiceUnavailable");
}

TEST_F(EngineTasks, ACommandReplacesAnAcceptedOneThatNoProcessHolds) {
  { ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_))); }
  expect_passes();
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
}

TEST_F(EngineTasks, OneThatWasAcceptedForAnotherDeviceIsNotBegun) {
  { ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_))); }
  const std::string other = make_image("other.img", 'o');
  ASSERT_TRUE(ok(engine_->adopt_disk(disk_, other)));
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_EQ(read_file(other), std::string(kImageBytes, 'o'));
}

// The command has passed the rules when the server accepts; it reads the clock after checking the
// disk.
TEST_F(EngineTasks, ACommandDoesNotReplaceOneThatAnotherProcessHolds) {
  std::optional<RollbackTask> task;
  auto second = open();
  EngineAccess::set_clock(*second, [&] {
    if (!task) task = std::move(*engine_->accept_rollback(disk_, snapshot_, named("R-5")));
    return std::time(nullptr);
  });
  const auto result = second->rollback(disk_, snapshot_);
  ASSERT_TRUE(task);
  ASSERT_TRUE(failed(result, Errc::kBusy));
  EXPECT_EQ(api_of(result.error()), "Operation.Conflict");
  EXPECT_EQ(disk_now().status, "ReIniting");
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kAccepted);
  ASSERT_TRUE(ok(task->run()));
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
}

TEST_F(EngineTasks, ProcessKilledWhileItRestoresIsResumed) {
  ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
    auto task = engine.accept_rollback(disk_, snapshot_, named("R-3"));
    if (task) (void)task->run(monitor);
  }));
  EXPECT_EQ(disk_now().status, "ReIniting");
  auto tasks = engine_->unfinished_rollbacks();
  ASSERT_TRUE(ok(tasks));
  ASSERT_EQ(tasks->size(), 1U);
  EXPECT_EQ(tasks->front().request_id(), "R-3");
  ASSERT_TRUE(ok(tasks->front().run()));
  expect_restored();
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
  EXPECT_EQ(disk_now().status, "In_use");
}

TEST_F(EngineTasks, AskingAgainGoesOnWithAnInterruptedOne) {
  const std::string later = take(image_, "later");
  fill(image_, 0, 4096, 'z');
  ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
    (void)engine.rollback(disk_, snapshot_, {}, monitor);
  }));
  EXPECT_TRUE(
      refused(engine_->accept_rollback(disk_, later), "InvalidOperation.DiskResetInProgress"))
      << "to another snapshot";
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  ASSERT_TRUE(ok(task->run()));
  expect_restored();
}

// It has the request id of the rollback that it resumed.
TEST_F(EngineTasks, OneThatWentOnWithAnotherIsNotDoneAgainEither) {
  ASSERT_TRUE(killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
    (void)engine.rollback(disk_, snapshot_, {}, monitor);
  }));
  ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_, named("R-5"))->run()));
  fill(image_, 65536, 4096, 'c');
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
  EXPECT_EQ(read_file(image_)[65536], 'c');
}

TEST_F(EngineTasks, ACommandThatFinishesOneEndsIt) {
  const auto interrupt = [&] {
    return killed_in("restore", [&](Engine& engine, const Monitor& monitor) {
      auto task = engine.accept_rollback(disk_, snapshot_);
      if (task) (void)task->run(monitor);
    });
  };
  ASSERT_TRUE(interrupt());
  ASSERT_TRUE(ok(engine_->resume(disk_)));
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kDone);
  fill(image_, 65536, 4096, 'b');
  ASSERT_TRUE(interrupt());
  ASSERT_TRUE(ok(engine_->undo(disk_)));
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed) << "it was taken back";
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
}

TEST_F(EngineTasks, CancelledOneStaysAccepted) {
  const std::atomic<bool> cancel = true;
  Monitor monitor;
  monitor.cancel = &cancel;
  ASSERT_TRUE(failed(engine_->accept_rollback(disk_, snapshot_)->run(monitor), Errc::kCancelled));
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kAccepted);
  auto tasks = engine_->unfinished_rollbacks();
  ASSERT_TRUE(ok(tasks));
  ASSERT_EQ(tasks->size(), 1U);
  ASSERT_TRUE(ok(tasks->front().run()));
  expect_restored();
}

TEST_F(EngineTasks, FailedOneSaysWhy) {
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  ASSERT_EQ(rename(image_.c_str(), (image_ + ".gone").c_str()), 0);
  ASSERT_FALSE(task->run());
  const auto reset = disk_now().last_reset;
  ASSERT_TRUE(reset);
  EXPECT_EQ(reset->state, ResetState::kFailed);
  EXPECT_NE(reset->error_code, "");
  EXPECT_THAT(reset->error_message, HasSubstr("disk.img"));
  ASSERT_EQ(rename((image_ + ".gone").c_str(), image_.c_str()), 0);
  ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_)->run())) << "and can be tried again";
  expect_restored();
}

TEST_F(EngineTasks, FailedOneSaysWhatToDo) {
  { ASSERT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_))); }
  ASSERT_EQ(truncate(image_.c_str(), kImageBytes / 2), 0);
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
  EXPECT_EQ(disk_now().last_reset->error_code, "OperationDenied");
  EXPECT_THAT(disk_now().last_reset->error_message, HasSubstr("give the device its former size"));
}

TEST_F(EngineTasks, OneThatEndsWithAnExceptionHasFailed) {
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  Monitor monitor;
  monitor.progress = [](const Progress&) { throw std::runtime_error("no more threads"); };
  EXPECT_TRUE(failed(task->run(monitor), Errc::kInternal));
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
  EXPECT_THAT(disk_now().last_reset->error_message, HasSubstr("no more threads"));
}

// An append that failed: whether its record is on the disk is unknown, so this process records
// nothing more, and does not start again and again what it cannot record.
TEST_F(EngineTasks, AProcessThatCannotRecordAnEndStartsNothing) {
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  ASSERT_EQ(rename(image_.c_str(), (image_ + ".gone").c_str()), 0);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const auto result = task->run();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(failed(result, Errc::kNotFound));
  EXPECT_EQ(open()->disk(disk_)->last_reset->state, ResetState::kAccepted) << "not recorded";
  const auto tasks = engine_->unfinished_rollbacks();
  ASSERT_TRUE(failed(tasks, Errc::kIo));
  EXPECT_THAT(words_of(tasks.error()), HasSubstr("in a new process"));
  EXPECT_TRUE(open()->unfinished_rollbacks()->empty()) << "its device is gone";
  EXPECT_EQ(open()->disk(disk_)->last_reset->state, ResetState::kFailed);
  EXPECT_THAT(open()->disk(disk_)->last_reset->error_message, HasSubstr("disk.img"));
}

// It is read before the disk is locked: if it has ended meanwhile, it is not run again.
TEST_F(EngineTasks, OneThatEndsWhileItIsTakenUpIsNotDoneAgain) {
  auto task = engine_->accept_rollback(disk_, snapshot_, named("R-6"));
  ASSERT_TRUE(ok(task));
  const std::atomic<bool> cancel = true;
  Monitor monitor;
  monitor.cancel = &cancel;
  ASSERT_FALSE(task->run(monitor)) << "it has let go of the disk";
  auto second = open();
  bool ended = false;
  EngineAccess::set_clock(*second, [&] {
    if (!ended) {
      ended = true;
      Operations& operations = EngineAccess::operations(*engine_);
      const format::DiskNumber number = operations.disks()->front().disk.number;
      EXPECT_TRUE(ok(operations.end_reset(number, "R-6", {std::time(nullptr), "Io", "it failed"})));
    }
    return std::time(nullptr);
  });
  auto tasks = second->unfinished_rollbacks();
  ASSERT_TRUE(ok(tasks));
  EXPECT_TRUE(tasks->empty());
  ASSERT_TRUE(ended);
  EXPECT_EQ(disk_now().last_reset->state, ResetState::kFailed);
}

TEST_F(EngineTasks, AnInstanceIsNotStartedWhileItsDiskIsReset) {
  ASSERT_TRUE(ok(engine_->create_instance("i-vm", "")));
  ASSERT_TRUE(ok(engine_->detach_disk(disk_)));
  ASSERT_TRUE(ok(engine_->attach_disk(disk_, "i-vm")));
  EXPECT_TRUE(refused(engine_->start_instance("i-vm", true), "DryRunOperation"));
  auto task = engine_->accept_rollback(disk_, snapshot_);
  ASSERT_TRUE(ok(task));
  EXPECT_TRUE(refused(engine_->start_instance("i-vm"), "IncorrectInstanceStatus"));
  ASSERT_TRUE(ok(task->run()));
  ASSERT_TRUE(ok(engine_->start_instance("i-vm")));
  EXPECT_TRUE(refused(engine_->accept_rollback(disk_, snapshot_), "IncorrectInstanceStatus"));
  EXPECT_TRUE(refused(engine_->stop_instance("i-vm", true), "DryRunOperation"));
  EXPECT_EQ(engine_->instance("i-vm")->status, "Running");
}

TEST_F(EngineTasks, AcceptedSnapshotIsProgressingUntilItHasRun) {
  SnapshotOptions options;
  options.name = "two-steps";
  auto task = engine_->accept_snapshot(disk_, options);
  ASSERT_TRUE(ok(task));
  EXPECT_FALSE(task->is_repeated());
  EXPECT_EQ(engine_->snapshots(disk_)->back().id, task->snapshot_id());
  EXPECT_EQ(engine_->snapshots(disk_)->back().status, SnapshotStatus::kProgressing);
  const auto second = engine_->accept_snapshot(disk_);
  ASSERT_TRUE(failed(second, Errc::kBusy));
  EXPECT_EQ(api_of(second.error()), "IncorrectDiskStatus.CreatingSnapshot");
  EXPECT_TRUE(refused(engine_->accept_rollback(disk_, snapshot_),
                      "IncorrectDiskStatus.HasUnfinishedSnapshot"));
  EXPECT_TRUE(
      refused(engine_->accept_rollback(disk_, task->snapshot_id()), "InvalidSnapshotId.NotReady"));
  ASSERT_TRUE(ok(task->run()));
  EXPECT_EQ(engine_->snapshots(disk_)->back().status, SnapshotStatus::kAccomplished);
  EXPECT_TRUE(failed(task->run(), Errc::kInvalidArgument)) << "once";
}

TEST_F(EngineTasks, SnapshotThatNeverRanLeavesNothing) {
  { ASSERT_TRUE(ok(engine_->accept_snapshot(disk_))); }
  EXPECT_EQ(engine_->snapshots(disk_)->size(), 1U);
  EXPECT_TRUE(ok(engine_->accept_rollback(disk_, snapshot_)));
}

TEST_F(EngineTasks, SnapshotOfAnUnknownOrUsedDiskIsRefused) {
  const auto unknown = engine_->accept_snapshot("d-none");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(api_of(unknown.error()), "InvalidDiskId.NotFound");
}

TEST_F(EngineTasks, TagsAndRetentionComeBack) {
  SnapshotNotes notes;
  notes.retention_days = 7;
  notes.tags = {{"zone", "b"}, {"app", ""}};
  auto task = engine_->accept_snapshot(disk_, {}, notes);
  ASSERT_TRUE(ok(task));
  ASSERT_TRUE(ok(task->run()));
  const SnapshotInfo info = open()->snapshots(disk_)->back();
  EXPECT_EQ(info.retention_days, 7U);
  EXPECT_EQ(info.tags, (std::vector<Tag>{{"app", ""}, {"zone", "b"}})) << "by key";
  EXPECT_TRUE(engine_->snapshots(disk_)->front().tags.empty());
  ASSERT_TRUE(ok(engine_->remove_snapshot(info.id)));
  EXPECT_TRUE(EngineAccess::operations(*engine_).disks()->front().notes.empty());
}

TEST_F(EngineTasks, ImpossibleNotesAreRefused) {
  SnapshotNotes many;
  for (int i = 0; i < 21; ++i) many.tags.push_back({std::to_string(i), ""});
  SnapshotNotes twice;
  twice.tags = {{"a", "1"}, {"a", "2"}};
  SnapshotNotes nameless;
  nameless.tags = {{"", "1"}};
  SnapshotNotes for_ever;
  for_ever.retention_days = 65537;
  SnapshotNotes long_token;
  long_token.client_token = std::string(65, 't');
  for (const SnapshotNotes& notes : {many, twice, nameless, for_ever, long_token}) {
    EXPECT_TRUE(failed(engine_->accept_snapshot(disk_, {}, notes), Errc::kInvalidArgument));
  }
  EXPECT_EQ(engine_->snapshots(disk_)->size(), 1U);
}

TEST_F(EngineTasks, ATokenIsOneSnapshot) {
  SnapshotNotes notes;
  notes.client_token = "once";
  SnapshotOptions options;
  options.name = "tokened";
  std::string id;
  {
    auto task = engine_->accept_snapshot(disk_, options, notes);
    ASSERT_TRUE(ok(task));
    id = task->snapshot_id();
    auto meanwhile = engine_->accept_snapshot(disk_, options, notes);
    ASSERT_TRUE(ok(meanwhile)) << "while it is being taken";
    EXPECT_EQ(meanwhile->snapshot_id(), id);
    ASSERT_TRUE(ok(task->run()));
  }
  auto again = engine_->accept_snapshot(disk_, options, notes);
  ASSERT_TRUE(ok(again));
  EXPECT_TRUE(again->is_repeated());
  EXPECT_EQ(again->snapshot_id(), id);
  EXPECT_TRUE(failed(again->run(), Errc::kInvalidArgument));
  options.name = "another";
  EXPECT_TRUE(
      refused(engine_->accept_snapshot(disk_, options, notes), "IdempotentParameterMismatch"));
  EXPECT_EQ(engine_->snapshots(disk_)->size(), 2U);
  EngineAccess::set_clock(*engine_, [] { return std::time(nullptr) + 25 * 3600; });
  EXPECT_TRUE(
      refused(engine_->accept_snapshot(disk_, options, notes), "IdempotentParameterMismatch"))
      << "the clock was set";
  EngineAccess::set_moments(*engine_, [] {
    Moment later = moment_now();
    later.wall += 25 * 3600;
    later.boottime += 25 * 3600;
    return later;
  });
  EXPECT_TRUE(ok(engine_->accept_snapshot(disk_, options, notes))) << "a day later";
}

// A client that is refused as busy may retry; no client gets a second snapshot.
TEST_F(EngineTasks, ATokenIsOneSnapshotForManyAtOnce) {
  constexpr int kRounds = 60;
  for (int round = 0; round < kRounds; ++round) {
    SnapshotNotes notes;
    notes.client_token = "raced-" + std::to_string(round);
    std::mutex mutex;
    std::set<std::string> ids;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        auto task = engine_->accept_snapshot(disk_, {}, notes);
        if (!task) return;
        if (!task->is_repeated()) (void)task->run();
        const std::lock_guard<std::mutex> guard(mutex);
        ids.insert(task->snapshot_id());
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(ids.size(), 1U) << "round " << round;
  }
}

TEST_F(EngineTasks, ATokenWhoseSnapshotIsGoneIsFree) {
  SnapshotNotes notes;
  notes.client_token = "freed";
  { ASSERT_TRUE(ok(engine_->accept_snapshot(disk_, {}, notes))); }
  auto again = engine_->accept_snapshot(disk_, {}, notes);
  ASSERT_TRUE(ok(again));
  EXPECT_FALSE(again->is_repeated());
}

}  // namespace
}  // namespace blkrewind::test
