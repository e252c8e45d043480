// Every rule of ResetDisk, its exact message, and which of two violated rules is reported.
#include "control/rules/reset_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "support/errors.h"
#include "unit/control/violations.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

TEST(ResetRules, PassesWhenNothingIsInTheWay) {
  EXPECT_FALSE(decide_reset(passing()));
  EXPECT_FALSE(decide_reset(passing_locally()));
}

TEST(ResetRules, EachViolationAloneIsRefusedWithItsRemedy) {
  std::set<ResetRule> reached;
  for (const Violation& violation : violations()) {
    SCOPED_TRACE(violation.name);
    ResetFacts facts = passing();
    violation.apply(facts);
    const auto refusal = decide_reset(facts);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->rule, violation.rule);
    EXPECT_THAT(words_of(refusal->remedy), HasSubstr(violation.words));
    EXPECT_EQ(words_of(refusal->remedy).find('\n'), std::string::npos);
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
      {ResetRule::kMissingDiskId, "MissingParameter",
       "The input parameter \"DiskId\" that is mandatory for processing this request is not "
       "supplied."},
      {ResetRule::kMissingSnapshotId, "MissingParameter",
       "The input parameter \"SnapshotId\" that is mandatory for processing this request is not "
       "supplied."},
      {ResetRule::kDiskNotFound, "InvalidDiskId.NotFound", "The specified disk does not exist."},
      {ResetRule::kSnapshotNotFound, "InvalidSnapshotId.NotFound",
       "The specified snapshot does not exist."},
      {ResetRule::kMismatch, "InvalidParameter.Mismatch",
       "The specified snapshot is not created from the specified disk."},
      {ResetRule::kNotReady, "InvalidSnapshotId.NotReady",
       "The specified snapshot has not completed yet."},
      {ResetRule::kOperationDenied, "OperationDenied",
       "The specified snapshot dees not support ResetDisk."},
      {ResetRule::kTooOld, "InvalidSnapshot.TooOld",
       "The snapshotId is created before 2013-07-15, it cannot be restored since the first time "
       "the "
       "disk detached."},
      {ResetRule::kResetInProgress, "InvalidOperation.DiskResetInProgress",
       "The operation cannot be performed because the disk has an ongoing reset task, please try "
       "again later."},
      {ResetRule::kUnfinishedSnapshot, "IncorrectDiskStatus.HasUnfinishedSnapshot",
       "The current disk has unfinished snapshot."},
      {ResetRule::kDiskStatus, "IncorrectDiskStatus",
       "The current disk status does not support this operation."},
      {ResetRule::kLockedForSecurity, "InstanceLockedForSecurity",
       "The instance is locked due to security."},
      {ResetRule::kExpiredOrInArrears, "InstanceExpiredOrInArrears",
       "The specified operation is denied as your prepay instance is expired (prepay mode) or in "
       "arrears (afterpay mode)."},
      {ResetRule::kInstanceStatus, "IncorrectInstanceStatus",
       "The current status of the resource does not support this operation."},
      {ResetRule::kDryRun, "DryRunOperation",
       "Request validation has been passed with DryRun flag set."},
  };
  ASSERT_EQ(expected.size(), kResetRules);
  for (const auto& [rule, code, status, message] : expected) {
    EXPECT_EQ(to_string(text_of(rule).api), code);
    EXPECT_EQ(text_of(rule).message, message);
  }
}

TEST(ResetRules, LocalInstanceIsJudgedByItsDevice) {
  ResetFacts facts = passing_locally();
  facts.disk->used_by = {{"partition /dev/loop7p1 is used as swap",
                          run_program("stop it", "swapoff", {"/dev/loop7p1"})}};
  const auto refusal = decide_reset(facts);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, ResetRule::kInstanceStatus);
  EXPECT_EQ(words_of(refusal->remedy),
            "/dev/loop7: partition /dev/loop7p1 is used as swap; stop it: swapoff /dev/loop7p1");

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
  EXPECT_EQ(words_of(refusal->remedy), "/dev/loop7 is held by dm-0");
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

TEST(ResetRules, WhatWasBegunWithoutUndoCanOnlyBeFinished) {
  ResetFacts facts = passing();
  facts.disk->reset_pending = true;
  const auto refusal = decide_reset(facts);
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->remedy.find(Verb::kResume), nullptr);
  EXPECT_EQ(refusal->remedy.find(Verb::kUndo), nullptr);
  facts.disk->reset_has_undo = true;
  EXPECT_NE(decide_reset(facts)->remedy.find(Verb::kUndo), nullptr);
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
    EXPECT_EQ(error.api, text_of(violation.rule).api);
    EXPECT_EQ(error.message, text_of(violation.rule).message);
    EXPECT_THAT(words_of(error), HasSubstr(violation.words));
    EXPECT_TRUE(error.context.empty());
  }
}

}  // namespace
}  // namespace blkrewind::control
