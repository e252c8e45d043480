// Clones by way of the Engine: names, rules, and what may be removed.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "control/engine_internal.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

class EngineClone : public EngineRules {
 protected:
  void expect_no_clone() {
    const auto disks = engine_->disks();
    ASSERT_TRUE(ok(disks));
    EXPECT_EQ(disks->size(), 1U);
    EXPECT_EQ(engine_->snapshots()->size(), 1U);
  }

  const std::string target_ = directory_.file("clone.img");
};

TEST_F(EngineClone, IsADiskWithANameAndAnOrigin) {
  const auto receipt = engine_->clone("before", target_, {.name = "copy"});
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(read_file(target_), std::string(kImageBytes, 'a'));
  EXPECT_TRUE(receipt->file_created);
  EXPECT_EQ(receipt->origin_disk_id, disk_);
  EXPECT_EQ(receipt->origin_snapshot_id, snapshot_);
  EXPECT_EQ(receipt->rollback.disk_id, receipt->disk_id);
  EXPECT_EQ(receipt->rollback.snapshot_id, receipt->snapshot_id);
  const auto clone = engine_->disk(target_);
  ASSERT_TRUE(ok(clone));
  EXPECT_EQ(clone->id, receipt->disk_id);
  ASSERT_TRUE(clone->origin.has_value());
  EXPECT_EQ(clone->origin->disk_id, disk_);
  EXPECT_EQ(clone->origin->snapshot_id, snapshot_);
  EXPECT_FALSE(engine_->disk(disk_)->origin.has_value());
  EXPECT_EQ(engine_->snapshots(receipt->disk_id)->front().name, "copy");

  ASSERT_TRUE(ok(engine_->rollback(target_, "copy")));
  ASSERT_TRUE(ok(engine_->undo(target_)));
  EXPECT_EQ(read_file(target_), std::string(kImageBytes, '\0')) << "as the new file was";
  EXPECT_EQ(read_file(image_), changed_);
}

TEST_F(EngineClone, KeepsEverySnapshotOfItsOriginFromForgetting) {
  fill(image_, 0, 4096, 'c');
  const std::string later = take(image_, "later");
  const auto receipt = engine_->clone(later, target_);
  ASSERT_TRUE(ok(receipt));
  const auto refusal = engine_->forget_disk(disk_, true);
  ASSERT_TRUE(failed(refusal, Errc::kPrecondition));
  EXPECT_THAT(words_of(refusal.error()), HasSubstr(receipt->disk_id));
  EXPECT_EQ(engine_->snapshots(disk_)->size(), 2U) << "none was deleted before the refusal";
  EXPECT_TRUE(ok(engine_->remove_snapshot("before")));
  EXPECT_TRUE(failed(engine_->remove_snapshot(later), Errc::kPrecondition));
  ASSERT_TRUE(ok(engine_->forget_disk(receipt->disk_id, true)));
  EXPECT_TRUE(ok(engine_->forget_disk(disk_, true)));
}

// A rule that forbids the rollback forbids the clone, and nothing of it stays.
TEST_F(EngineClone, PassesTheRulesOfARollback) {
  ASSERT_TRUE(ok(engine_->lock_instance("i-local", "security")));
  EXPECT_TRUE(refused(engine_->clone("before", target_), "InstanceLockedForSecurity"));
  EXPECT_FALSE(std::filesystem::exists(target_));
  expect_no_clone();
  const std::string there = make_image("there.img", 't');
  EXPECT_TRUE(refused(engine_->clone("before", there), "InstanceLockedForSecurity"));
  EXPECT_EQ(read_file(there), std::string(kImageBytes, 't'));
  expect_no_clone();
  ASSERT_TRUE(ok(engine_->unlock_instance("i-local", "security")));
  EXPECT_TRUE(ok(engine_->clone("before", there)));
}

TEST_F(EngineClone, ThatIsCancelledLeavesNothing) {
  std::atomic<bool> cancel = true;
  Monitor monitor;
  monitor.cancel = &cancel;
  EXPECT_TRUE(failed(engine_->clone("before", target_, {}, monitor), Errc::kCancelled));
  EXPECT_FALSE(std::filesystem::exists(target_));
  expect_no_clone();
}

// Another process has the disk for a moment.
TEST_F(EngineClone, WaitsForAnotherOperationOnItsOrigin) {
  const auto other = open();
  auto task = other->accept_snapshot(image_);
  ASSERT_TRUE(ok(task));
  std::optional<SnapshotTask> holds = std::move(*task);
  std::atomic<bool> cancel = true;
  Monitor monitor;
  monitor.cancel = &cancel;
  EXPECT_TRUE(failed(engine_->clone("before", target_, {}, monitor), Errc::kCancelled));
  auto cloned = std::async(std::launch::async, [&] { return engine_->clone("before", target_); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  holds.reset();
  EXPECT_TRUE(ok(cloned.get()));
  EXPECT_EQ(read_file(target_), std::string(kImageBytes, 'a'));
}

TEST_F(EngineClone, OverwritesAnImageOfAnotherFormatOnlyOnRequest) {
  const std::string image = make_image("disk.qcow2", 'q');
  {
    std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
    const char head[] = {'Q', 'F', 'I', '\xfb', 0, 0, 0, 3};
    file.write(head, sizeof head);
  }
  const std::string before = read_file(image);
  const auto refusal = engine_->clone("before", image);
  ASSERT_TRUE(failed(refusal, Errc::kPrecondition));
  EXPECT_THAT(refusal.error().message, HasSubstr("qcow2"));
  EXPECT_EQ(read_file(image), before);
  expect_no_clone();
  ASSERT_TRUE(ok(engine_->clone("before", image, {.raw = true})));
  EXPECT_EQ(read_file(image), std::string(kImageBytes, 'a'));
}

TEST_F(EngineClone, NamesAndTargetsThatCannotBeAreRefused) {
  EXPECT_TRUE(failed(engine_->clone("before", ""), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(engine_->clone("before", target_, {.name = "a/b"}), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(engine_->clone("no-such", target_), Errc::kNotFound));
  EXPECT_TRUE(failed(engine_->clone("before", disk_), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(engine_->clone("before", image_), Errc::kAlreadyExists));
  EXPECT_TRUE(
      failed(engine_->clone("before", directory_.file("no/such/folder/x")), Errc::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(target_));
  expect_no_clone();
}

// The retention of a snapshot that a clone needs has ended: it is deleted when the clone is gone.
TEST_F(EngineClone, OutlivesTheRetentionOfItsSnapshot) {
  Moment now = {1'700'000'000, 1000, "boot"};
  EngineAccess::set_moments(*engine_, [&] { return now; });
  SnapshotNotes notes;
  notes.retention_days = 1;
  auto task = engine_->accept_snapshot(disk_, {}, notes);
  ASSERT_TRUE(ok(task));
  const std::string id = task->snapshot_id();
  ASSERT_TRUE(ok(task->run()));
  const auto receipt = engine_->clone(id, target_);
  ASSERT_TRUE(ok(receipt));
  EXPECT_TRUE(engine_->snapshots_past_retention()->empty());
  now.wall += 2 * 86'400;
  now.boottime += 2 * 86'400;
  EXPECT_TRUE(engine_->snapshots_past_retention()->empty());
  ASSERT_TRUE(ok(engine_->forget_disk(receipt->disk_id, true)));
  EXPECT_EQ(*engine_->snapshots_past_retention(), std::vector<std::string>{id});
}

}  // namespace
}  // namespace blkrewind::test
