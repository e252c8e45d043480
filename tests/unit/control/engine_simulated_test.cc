// The Engine on a simulated machine: states that a real one does not produce on demand.
#include "control/engine_internal.h"
#include "support/errors.h"
#include "support/simulated_env.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class EngineSimulated : public testing::Test {
 protected:
  static constexpr const char* kDevice = "/dev/sim0";

  void SetUp() override {
    env_.add_device(kDevice, 1 << 20, host::DeviceKind::kBlock);
    engine_ = open();
    SnapshotOptions options;
    options.name = "before";
    ASSERT_TRUE(ok(engine_->snapshot(kDevice, options)));
    const std::vector<std::byte> change(4096, std::byte{7});
    env_.poke(kDevice, 65536, change);
    changed_ = env_.contents(kDevice);
  }

  std::unique_ptr<Engine> open() {
    OpenOptions options;
    options.store = "/store";
    options.create = true;
    options.threads = 1;
    auto engine = EngineAccess::open(env_, options, ":memory:");
    if (!engine) throw std::runtime_error(engine.error().to_string());
    return std::make_unique<Engine>(std::move(*engine));
  }

  // Refused by a check outside the API's table: no API code, but a remedy.
  void expect_refused_plainly(const std::string& message) {
    const auto result = engine_->rollback(kDevice, "before");
    ASSERT_TRUE(failed(result, Errc::kPrecondition));
    EXPECT_EQ(api_of(result.error()), "");
    EXPECT_THAT(result.error().message, HasSubstr(message));
    EXPECT_FALSE(words_of(result.error()).empty());
    EXPECT_EQ(env_.contents(kDevice), changed_);
  }

  sim::SimulatedEnv env_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::byte> changed_;
};

TEST_F(EngineSimulated, PassesWhenNothingIsInTheWay) {
  ASSERT_TRUE(ok(engine_->rollback(kDevice, "before")));
  EXPECT_EQ(env_.contents(kDevice), std::vector<std::byte>(1 << 20));
}

TEST_F(EngineSimulated, InstanceExpiresWhenItsTimeHasCome) {
  InstanceChange change;
  change.expires_at = 2000;
  ASSERT_TRUE(ok(engine_->change_instance("i-local", change)));
  EngineAccess::set_clock(*engine_, [] { return std::int64_t{2000}; });
  EXPECT_TRUE(refused(engine_->rollback(kDevice, "before"), "InstanceExpiredOrInArrears"));
  EXPECT_EQ(env_.contents(kDevice), changed_);
  EngineAccess::set_clock(*engine_, [] { return std::int64_t{1999}; });
  EXPECT_TRUE(ok(engine_->rollback(kDevice, "before")));
}

TEST_F(EngineSimulated, DeviceInUse) {
  env_.set_used_by(kDevice, {{"held by dm-0", "remove it"}});
  const auto result = engine_->rollback(kDevice, "before");
  ASSERT_TRUE(refused(result, "IncorrectInstanceStatus"));
  EXPECT_THAT(words_of(result.error()), HasSubstr("/dev/sim0 is held by dm-0; remove it"));
  EXPECT_EQ(engine_->instance("i-local")->status, "Running");
  EXPECT_EQ(env_.contents(kDevice), changed_);
}

TEST_F(EngineSimulated, DeviceOfWhichItCannotBeToldWhetherItIsInUse) {
  env_.set_unknown(kDevice, {{"sysfs is missing", "mount it"}});
  const auto result = engine_->rollback(kDevice, "before");
  ASSERT_TRUE(refused(result, "IncorrectInstanceStatus"));
  EXPECT_THAT(words_of(result.error()),
              HasSubstr("cannot tell whether it is in use: sysfs is missing; mount it"));
  EXPECT_TRUE(failed(engine_->snapshot(kDevice, {}), Errc::kPrecondition));
  EXPECT_EQ(engine_->instance("i-local")->status, "Running");
  EXPECT_EQ(env_.contents(kDevice), changed_);
}

TEST_F(EngineSimulated, DeviceThatAnotherProcessWritesTo) {
  env_.set_writer(kDevice, {{"open for writing in dd (process 7)", "end it"}});
  expect_refused_plainly("open for writing in dd (process 7)");
  EXPECT_FALSE(engine_->snapshot(kDevice, {}));
}

TEST_F(EngineSimulated, ReadOnlyDevice) {
  env_.set_read_only(kDevice, true);
  expect_refused_plainly("read-only");
}

TEST_F(EngineSimulated, StoreOnTheDevice) {
  env_.set_holds_store(kDevice, true);
  expect_refused_plainly("lives on /dev/sim0");
}

TEST_F(EngineSimulated, AnotherDeviceUnderTheName) {
  std::string serial = "one";
  env_.set_probe(kDevice, [&](host::DeviceInfo& info) {
    info.identity.layer = host::Layer::kDisk;
    info.identity.serial = serial;
  });
  // It was registered as a loop device; it becomes a disk first, then another one.
  const auto disk = engine_->disks();
  ASSERT_TRUE(ok(disk));
  ASSERT_TRUE(ok(engine_->adopt_disk(disk->front().id, kDevice)));
  serial = "another";
  const auto result = engine_->rollback(kDevice, "before");
  EXPECT_TRUE(refused(result, "InvalidDiskId.NotFound")) << "a path is not who a disk is";
  EXPECT_THAT(words_of(result.error()), HasSubstr("this is a different device"));
  const auto by_id = engine_->rollback(disk->front().id, "before");
  ASSERT_TRUE(failed(by_id, Errc::kPrecondition));
  EXPECT_THAT(by_id.error().message, HasSubstr("not the device"));
  EXPECT_EQ(env_.contents(kDevice), changed_);
}

TEST_F(EngineSimulated, ShrunkenDevice) {
  env_.set_size(kDevice, (1 << 20) - 4096);
  EXPECT_TRUE(refused(engine_->rollback(kDevice, "before"), "OperationDenied"));
}

// An end always finds room: it says why, and nothing is started again.
TEST_F(EngineSimulated, AFullStoreTakesTheEndOfAResetButNoNewOne) {
  const std::string disk = engine_->disks()->front().id;
  env_.set_free_bytes("/store", 0);
  const auto accept = [&]() -> Status {
    auto task = engine_->accept_rollback(disk, "before");  // and lets go of the disk
    return task ? Status{} : Status(fail(task.error()));
  };
  Status accepted = accept();
  for (int more = 0; accepted && more < 100; ++more) accepted = accept();
  ASSERT_TRUE(failed(accepted, Errc::kNoSpace));
  auto last = engine_->unfinished_rollbacks();
  ASSERT_TRUE(ok(last));
  ASSERT_EQ(last->size(), 1U);
  EXPECT_TRUE(failed(last->front().run(), Errc::kNoSpace)) << "its undo snapshot does not fit";
  const auto info = open()->disk(disk);
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->last_reset->state, ResetState::kFailed);
  EXPECT_THAT(info->last_reset->error_message, HasSubstr("the device is untouched"));
  EXPECT_TRUE(engine_->unfinished_rollbacks()->empty());
  EXPECT_EQ(env_.contents(kDevice), changed_);
  env_.set_free_bytes("/store", std::nullopt);
  ASSERT_TRUE(ok(engine_->accept_rollback(disk, "before")->run()));
  EXPECT_EQ(open()->disk(disk)->last_reset->state, ResetState::kDone);
}

// Deleting what has ended makes room: a store in which no time can be counted still names it.
TEST_F(EngineSimulated, AFullStoreNamesTheSnapshotsWhoseRetentionHasEnded) {
  Moment now = {1'700'000'000, 1000, "boot"};
  EngineAccess::set_moments(*engine_, [&] { return now; });
  SnapshotNotes notes;
  notes.retention_days = 1;
  auto task = engine_->accept_snapshot(engine_->disks()->front().id, {}, notes);
  ASSERT_TRUE(ok(task));
  const std::string id = task->snapshot_id();
  ASSERT_TRUE(ok(task->run()));
  EXPECT_TRUE(engine_->snapshots_past_retention()->empty());
  env_.set_free_bytes("/store", 0);
  const auto counted = [&] {
    return EngineAccess::operations(*engine_).count_retention(now).size();
  };
  now.wall += 86'400;
  now.boottime += 86'400;
  const auto journal_bytes = [&] { return env_.contents("/store/disks/1/log").size(); };
  std::uint64_t before = 0;
  for (int look = 0; look < 100 && before != journal_bytes(); ++look) {
    before = journal_bytes();
    ASSERT_EQ(counted(), 1U) << look;
    now.wall += 600;
    now.boottime += 600;
  }
  ASSERT_EQ(journal_bytes(), before) << "there is room";
  EXPECT_EQ(*engine_->snapshots_past_retention(), std::vector<std::string>{id});
}

TEST_F(EngineSimulated, RefusalWritesNothingAtAll) {
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security")));
  const std::uint64_t before = env_.mutations();
  EXPECT_TRUE(refused(engine_->rollback(kDevice, "before"), "InstanceLockedForSecurity"));
  EXPECT_EQ(env_.mutations(), before) << "neither to the device nor to the store";
}

}  // namespace
}  // namespace blkrewind::test
