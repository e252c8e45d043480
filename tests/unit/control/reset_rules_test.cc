// Every rule of ResetDisk, its exact message, and which of two violated rules is reported.
#include "control/rules/reset_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kDeviceBytes = 100 * kMiB;

// A request that passes: a stopped named instance, an accomplished snapshot of the disk.
ResetFacts passing() {
  ResetFacts facts;
  facts.target = "/dev/loop7";
  facts.snapshot_text = "before";
  DiskFacts disk;
  disk.id = "d-1";
  disk.path = "/dev/loop7";
  disk.chunk_bytes = kDefaultChunkBytes;
  disk.device_bytes = kDeviceBytes;
  disk.instance.id = "i-1";
  facts.disk = disk;
  SnapshotFacts snapshot;
  snapshot.id = "s-1";
  snapshot.created_at = 1'500'000'000;
  snapshot.device_bytes = kDeviceBytes;
  snapshot.chunk_bytes = kDefaultChunkBytes;
  facts.snapshot = snapshot;
  return facts;
}

ResetFacts passing_locally() {
  ResetFacts facts = passing();
  facts.disk->instance = {};
  facts.disk->instance.id = "i-local";
  facts.disk->instance.local = true;
  return facts;
}

struct Violation {
  ResetRule rule;
  const char* name;
  std::function<void(ResetFacts&)> apply;
  const char* hint;  // a part of it
};

const std::vector<Violation>& violations() {
  static const std::vector<Violation> all = {
      {ResetRule::kMissingDiskId, "no disk", [](ResetFacts& f) { f.target.clear(); }, "disk id"},
      {ResetRule::kMissingSnapshotId, "no snapshot", [](ResetFacts& f) { f.snapshot_text.clear(); },
       "latest"},
      {ResetRule::kDiskNotFound, "unknown disk", [](ResetFacts& f) { f.disk.reset(); },
       "blkrewind list"},
      {ResetRule::kSnapshotNotFound, "unknown snapshot", [](ResetFacts& f) { f.snapshot.reset(); },
       "blkrewind list /dev/loop7"},
      {ResetRule::kMismatch, "of another disk",
       [](ResetFacts& f) { f.snapshot->of_this_disk = false; }, "of this disk"},
      {ResetRule::kNotReady, "progressing",
       [](ResetFacts& f) { f.snapshot->status = SnapshotStatus::kProgressing; }, "wait"},
      {ResetRule::kNotReady, "failed",
       [](ResetFacts& f) { f.snapshot->status = SnapshotStatus::kFailed; }, "blkrewind delete s-1"},
      {ResetRule::kOperationDenied, "larger device",
       [](ResetFacts& f) { f.disk->device_bytes = kDeviceBytes + 512; }, "104858112 bytes now"},
      {ResetRule::kOperationDenied, "other chunks",
       [](ResetFacts& f) { f.snapshot->chunk_bytes = 4096; }, "4 KiB"},
      {ResetRule::kOperationDenied, "damaged", [](ResetFacts& f) { f.snapshot->damaged = true; },
       "blkrewind verify s-1"},
      {ResetRule::kTooOld, "too old",
       [](ResetFacts& f) {
         f.snapshot->created_at = kTooOldBefore - 1;
         f.snapshot->imported = true;
         f.disk->detached_at = 1'600'000'000;
       },
       "blkrewind export s-1 FILE"},
      {ResetRule::kResetInProgress, "interrupted rollback",
       [](ResetFacts& f) { f.disk->reset_pending = true; }, "blkrewind resume /dev/loop7"},
      {ResetRule::kResetInProgress, "running rollback",
       [](ResetFacts& f) { f.disk->reset_pending = f.disk->reset_running = true; }, "wait"},
      {ResetRule::kUnfinishedSnapshot, "snapshot being taken",
       [](ResetFacts& f) { f.disk->taking_snapshot = true; }, "wait"},
      {ResetRule::kDiskStatus, "available", [](ResetFacts& f) { f.disk->instance.id.clear(); },
       "disk attach /dev/loop7"},
      {ResetRule::kLockedForSecurity, "locked",
       [](ResetFacts& f) { f.disk->instance.locked_for_security = true; },
       "instance unlock i-1 --reason security"},
      {ResetRule::kExpiredOrInArrears, "expired",
       [](ResetFacts& f) { f.disk->instance.expired = true; }, "--expires-at never"},
      {ResetRule::kExpiredOrInArrears, "in arrears",
       [](ResetFacts& f) { f.disk->instance.in_arrears = true; }, "--arrears no"},
      {ResetRule::kInstanceStatus, "running",
       [](ResetFacts& f) { f.disk->instance.stopped = false; }, "blkrewind instance stop i-1"},
      {ResetRule::kInstanceStatus, "of an unknown instance",
       [](ResetFacts& f) {
         f.disk->instance.recorded = false;
         f.disk->instance.stopped = false;
       },
       "does not know i-1"},
      {ResetRule::kInstanceStatus, "mounted",
       [](ResetFacts& f) {
         f.disk->used_by = {{"mounted on /mnt", "unmount it: umount /mnt"}};
       },
       "/dev/loop7 is mounted on /mnt: unmount it: umount /mnt"},
      {ResetRule::kDryRun, "dry run", [](ResetFacts& f) { f.api_dry_run = true; }, "DryRun"},
  };
  return all;
}

TEST(ResetRules, PassesWhenNothingIsInTheWay) {
  EXPECT_FALSE(decide_reset(passing()));
  EXPECT_FALSE(decide_reset(passing_locally()));
}

TEST(ResetRules, EachViolationAloneIsRefusedWithItsHint) {
  std::set<ResetRule> reached;
  for (const Violation& violation : violations()) {
    SCOPED_TRACE(violation.name);
    ResetFacts facts = passing();
    violation.apply(facts);
    const auto refusal = decide_reset(facts);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->rule, violation.rule);
    EXPECT_EQ(refusal->api_code, text_of(violation.rule).api_code);
    EXPECT_EQ(refusal->http_status, text_of(violation.rule).http_status);
    EXPECT_EQ(refusal->message, text_of(violation.rule).message);
    EXPECT_THAT(refusal->hint, HasSubstr(violation.hint));
    EXPECT_EQ(refusal->hint.find('\n'), std::string::npos);
    reached.insert(refusal->rule);
  }
  EXPECT_EQ(reached.size(), kResetRules);
}

TEST(ResetRules, OfTwoViolationsTheEarlierAnswers) {
  for (const Violation& earlier : violations()) {
    for (const Violation& later : violations()) {
      if (earlier.rule >= later.rule) continue;
      SCOPED_TRACE(std::string(earlier.name) + ", " + later.name);
      ResetFacts facts = passing();
      later.apply(facts);
      earlier.apply(facts);
      const auto refusal = decide_reset(facts);
      ASSERT_TRUE(refusal);
      EXPECT_EQ(refusal->rule, earlier.rule);
    }
  }
}

// Copied from the API's documentation, so that a mistake in the table is found.
TEST(ResetRules, WordsAreTheApisToTheLetter) {
  const std::vector<std::tuple<ResetRule, const char*, int, const char*>> expected = {
      {ResetRule::kMissingDiskId, "MissingParameter", 400,
       "The input parameter \"DiskId\" that is mandatory for processing this request is not "
       "supplied."},
      {ResetRule::kMissingSnapshotId, "MissingParameter", 400,
       "The input parameter \"SnapshotId\" that is mandatory for processing this request is not "
       "supplied."},
      {ResetRule::kDiskNotFound, "InvalidDiskId.NotFound", 404,
       "The specified disk does not exist."},
      {ResetRule::kSnapshotNotFound, "InvalidSnapshotId.NotFound", 404,
       "The specified snapshot does not exist."},
      {ResetRule::kMismatch, "InvalidParameter.Mismatch", 403,
       "The specified snapshot is not created from the specified disk."},
      {ResetRule::kNotReady, "InvalidSnapshotId.NotReady", 403,
       "The specified snapshot has not completed yet."},
      {ResetRule::kOperationDenied, "OperationDenied", 403,
       "The specified snapshot dees not support ResetDisk."},
      {ResetRule::kTooOld, "InvalidSnapshot.TooOld", 403,
       "The snapshotId is created before 2013-07-15, it cannot be restored since the first time "
       "the "
       "disk detached."},
      {ResetRule::kResetInProgress, "InvalidOperation.DiskResetInProgress", 403,
       "The operation cannot be performed because the disk has an ongoing reset task, please try "
       "again later."},
      {ResetRule::kUnfinishedSnapshot, "IncorrectDiskStatus.HasUnfinishedSnapshot", 403,
       "The current disk has unfinished snapshot."},
      {ResetRule::kDiskStatus, "IncorrectDiskStatus", 403,
       "The current disk status does not support this operation."},
      {ResetRule::kLockedForSecurity, "InstanceLockedForSecurity", 403,
       "The instance is locked due to security."},
      {ResetRule::kExpiredOrInArrears, "InstanceExpiredOrInArrears", 403,
       "The specified operation is denied as your prepay instance is expired (prepay mode) or in "
       "arrears (afterpay mode)."},
      {ResetRule::kInstanceStatus, "IncorrectInstanceStatus", 403,
       "The current status of the resource does not support this operation."},
      {ResetRule::kDryRun, "DryRunOperation", 400,
       "Request validation has been passed with DryRun flag set."},
  };
  ASSERT_EQ(expected.size(), kResetRules);
  for (const auto& [rule, code, status, message] : expected) {
    EXPECT_EQ(text_of(rule).api_code, code);
    EXPECT_EQ(text_of(rule).http_status, status);
    EXPECT_EQ(text_of(rule).message, message);
  }
}

TEST(ResetRules, LocalInstanceIsJudgedByItsDevice) {
  ResetFacts facts = passing_locally();
  facts.disk->used_by = {{"partition /dev/loop7p1 is used as swap", "swapoff /dev/loop7p1"}};
  const auto refusal = decide_reset(facts);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, ResetRule::kInstanceStatus);
  EXPECT_EQ(refusal->hint,
            "/dev/loop7: partition /dev/loop7p1 is used as swap: swapoff /dev/loop7p1");

  // It can be locked and in arrears like any other.
  facts.disk->instance.in_arrears = true;
  EXPECT_EQ(decide_reset(facts)->rule, ResetRule::kExpiredOrInArrears);
  facts.disk->instance.locked_for_security = true;
  EXPECT_EQ(decide_reset(facts)->rule, ResetRule::kLockedForSecurity);
}

TEST(ResetRules, AvailableDiskPassesWhereAcceptedAndNoInstanceCounts) {
  ResetFacts facts = passing();
  facts.accept_available = true;
  facts.disk->instance.id.clear();
  facts.disk->instance.locked_for_security = true;
  facts.disk->instance.expired = true;
  facts.disk->instance.in_arrears = true;
  facts.disk->instance.stopped = false;
  EXPECT_FALSE(decide_reset(facts));
  // But a device in use is never written to.
  facts.disk->used_by = {{"held by dm-0", ""}};
  const auto refusal = decide_reset(facts);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, ResetRule::kInstanceStatus);
  EXPECT_EQ(refusal->hint, "/dev/loop7 is held by dm-0");
}

TEST(ResetRules, TooOldNeedsBothTheDateAndADetachAfterIt) {
  ResetFacts facts = passing();
  facts.snapshot->imported = true;
  facts.snapshot->created_at = kTooOldBefore - 1;  // 2013-07-15T23:59:59Z
  EXPECT_FALSE(decide_reset(facts)) << "never detached";
  facts.disk->detached_at = facts.snapshot->created_at;
  EXPECT_FALSE(decide_reset(facts)) << "detached before it was taken, not since";
  facts.disk->detached_at = facts.snapshot->created_at + 1;
  ASSERT_TRUE(decide_reset(facts));
  EXPECT_EQ(decide_reset(facts)->rule, ResetRule::kTooOld);
  facts.snapshot->created_at = kTooOldBefore;  // 2013-07-16T00:00:00Z
  facts.disk->detached_at = 1'600'000'000;
  EXPECT_FALSE(decide_reset(facts)) << "taken a second too late for the rule";
}

TEST(ResetRules, TooOldGoesByTheOrderOfTheJournalWhereThatIsKnown) {
  ResetFacts facts = passing();
  facts.snapshot->imported = true;
  facts.snapshot->number = 7;
  facts.snapshot->created_at = kTooOldBefore - 1;
  facts.disk->detached_at = 5;  // the clock was wrong then
  facts.disk->detached_before = 8;
  ASSERT_TRUE(decide_reset(facts)) << "detached since, whatever the clock said";
  EXPECT_EQ(decide_reset(facts)->rule, ResetRule::kTooOld);
  facts.disk->detached_at = 1'600'000'000;
  facts.disk->detached_before = 7;
  EXPECT_FALSE(decide_reset(facts)) << "imported after that";
}

TEST(ResetRules, WhatWasTakenWhileTheClockWasWrongIsNotTooOld) {
  ResetFacts facts = passing();
  facts.snapshot->number = 7;
  facts.snapshot->created_at = 10;  // 1970: a machine without a battery
  facts.disk->detached_at = 1'600'000'000;
  facts.disk->detached_before = 8;
  EXPECT_FALSE(decide_reset(facts));
}

TEST(ResetRules, ContinuingThePendingRollbackIsNotRefusedForIt) {
  ResetFacts facts = passing();
  facts.disk->reset_pending = true;
  facts.continues_pending = true;
  EXPECT_FALSE(decide_reset(facts));
  facts.snapshot->damaged = true;
  EXPECT_FALSE(decide_reset(facts)) << "what is whole of it is the best there is";
  facts.disk->instance.locked_for_security = true;
  ASSERT_TRUE(decide_reset(facts)) << "every other rule holds";
  EXPECT_EQ(decide_reset(facts)->rule, ResetRule::kLockedForSecurity);
}

TEST(ResetRules, UnknownDeviceSizeIsNotAMismatch) {
  ResetFacts facts = passing();
  facts.disk->device_bytes.reset();
  EXPECT_FALSE(decide_reset(facts));
}

TEST(ResetRules, RefusalBecomesAnErrorOfClassPrecondition) {
  for (const Violation& violation : violations()) {
    ResetFacts facts = passing();
    violation.apply(facts);
    const Error error = to_error(*decide_reset(facts));
    EXPECT_EQ(error.code, Errc::kPrecondition);
    EXPECT_EQ(error.api_code, text_of(violation.rule).api_code);
    EXPECT_EQ(error.http_status, text_of(violation.rule).http_status);
    EXPECT_EQ(error.message, text_of(violation.rule).message);
    EXPECT_THAT(error.hint, HasSubstr(violation.hint));
    EXPECT_TRUE(error.context.empty());
  }
}

}  // namespace
}  // namespace blkrewind::control
