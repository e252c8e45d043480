// No operation reports more than it has compared: after an interruption, at the end of a file,
// after a write that the device lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kChunks = 300;

class Claims : public testing::Test {
 protected:
  Claims() : then_(pattern(kChunks * kChunk, 1)), now_(then_), bench_(then_, kChunk) {
    bench_.write(0, then_);
    target_ = bench_.must_snapshot();
    put(now_, kChunk, pattern(2 * kChunk, 2));
    put(now_, 150 * kChunk, pattern(kChunk, 3));
    bench_.write(0, now_);
  }

  void interrupt() {
    bench_.env().inject({.kinds = {sim::OpKind::kWrite},
                         .path = kDevice,
                         .nth = 2,
                         .from_then_on = true,
                         .error = EIO});
    ASSERT_TRUE(failed(bench_.rollback(target_), Errc::kIo));
    bench_.env().clear_faults();
    ASSERT_TRUE(ok(bench_.open()));
  }

  Bytes then_;
  Bytes now_;
  OperationsBench bench_;
  SnapshotNumber target_ = 0;
};

// In both directions: the device is as the receipt says, and data written meanwhile is kept.
TEST_F(Claims, WhatWasWrittenAfterAnInterruptionIsSeenAndKept) {
  for (const bool backwards : {false, true}) {
    bench_.write(0, now_);
    interrupt();
    const Bytes repair = pattern(kChunk, 9);
    bench_.write(200 * kChunk, repair);
    bench_.write(250 * kChunk, Bytes(kChunk));
    const Bytes found = bench_.device();
    const auto done = bench_.resume(backwards);
    ASSERT_TRUE(ok(done));
    EXPECT_TRUE(same(bench_.device(), backwards ? now_ : then_));
    EXPECT_EQ(done->change_source, "scan");
    EXPECT_EQ(done->scanned_bytes, kChunks * kChunk);
    ASSERT_TRUE(done->kept_snapshot_id.has_value());
    EXPECT_EQ(done->kept_bytes, 2 * kChunk);
    EXPECT_TRUE(bench_.exports_as(bench_.number(*done->kept_snapshot_id), found));
    if (!backwards) {
      ASSERT_TRUE(ok(bench_.undo()));
      EXPECT_TRUE(same(bench_.device(), now_)) << "undo is of the rollback, not of the repair";
    }
  }
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(bench_.empties());
}

TEST_F(Claims, WithNothingWrittenMeanwhileNothingMoreIsKept) {
  interrupt();
  const auto done = bench_.resume();
  ASSERT_TRUE(ok(done));
  EXPECT_FALSE(done->kept_snapshot_id.has_value());
  EXPECT_EQ(bench_.view().snapshots.size(), 2U);
}

// A chunk of the rollback itself that a power cut left half written does not belong to another
// program.
TEST_F(Claims, AChunkThatIsHalfWrittenIsTheRollbacksOwn) {
  for (const bool backwards : {false, true}) {
    bench_.write(0, now_);
    interrupt();
    // The first half is old, the second is new.
    const auto begin = then_.begin() + 150 * kChunk;
    bench_.write(150 * kChunk, Bytes(begin, begin + kChunk / 2));
    const auto rest = now_.begin() + 150 * kChunk + kChunk / 2;
    bench_.write(150 * kChunk + kChunk / 2, Bytes(rest, rest + kChunk / 2));
    const auto done = bench_.resume(backwards);
    ASSERT_TRUE(ok(done));
    EXPECT_FALSE(done->kept_snapshot_id.has_value());
    EXPECT_TRUE(same(bench_.device(), backwards ? now_ : then_));
  }
}

// A tracker proves where nothing was written, so only the other chunks are read.
TEST_F(Claims, ATrackerSparesTheResumeTheScan) {
  bench_.write(0, then_);
  bench_.track();
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  bench_.write(kChunk, pattern(2 * kChunk, 2));
  bench_.write(150 * kChunk, pattern(kChunk, 3));
  interrupt();
  bench_.write(200 * kChunk, pattern(kChunk, 9));
  const auto done = bench_.resume();
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(same(bench_.device(), then_));
}

TEST_F(Claims, ACutFileIsNoZeroes) {
  const auto announced = bench_.operations().announce_snapshot(bench_.disk(), kDevice, {});
  ASSERT_TRUE(ok(announced));
  bench_.env().set_size(kDevice, 140 * kChunk);
  const auto receipt = announced->make({});
  ASSERT_TRUE(failed(receipt, Errc::kIo));
  EXPECT_THAT(receipt.error().message, HasSubstr("ends at " + std::to_string(140 * kChunk)));
  EXPECT_THAT(words_of(receipt.error()), HasSubstr("cut"));
}

TEST_F(Claims, AFileThatGrowsWhileItIsReadIsNoSnapshotOfIt) {
  const auto announced = bench_.operations().announce_snapshot(bench_.disk(), kDevice, {});
  ASSERT_TRUE(ok(announced));
  bench_.env().set_size(kDevice, (kChunks + 1) * kChunk);
  const auto receipt = announced->make({});
  ASSERT_TRUE(failed(receipt, Errc::kIo));
  EXPECT_THAT(receipt.error().message, HasSubstr("longer"));
}

TEST_F(Claims, ADeviceWithoutItsMediumIsNoEmptySnapshot) {
  bench_.env().set_size(kDevice, 0);
  EXPECT_TRUE(failed(bench_.snapshot(), Errc::kPrecondition));
  EXPECT_TRUE(failed(bench_.rollback(target_), Errc::kPrecondition));
  EXPECT_EQ(bench_.view().snapshots.size(), 1U);
}

TEST_F(Claims, AFileThatIsCutWhileItIsRolledBackIsNoSuccess) {
  for (const bool undo : {true, false}) {
    bench_.env().set_size(kDevice, kChunks * kChunk);
    bench_.write(0, now_);
    const Monitor monitor{[&](const Progress& progress) {
                            if (std::string(progress.phase) != "restore") return;
                            bench_.env().set_size(kDevice, 290 * kChunk);
                          },
                          nullptr};
    const auto done = bench_.rollback(target_, undo, monitor);
    ASSERT_TRUE(failed(done, Errc::kIo));
    EXPECT_THAT(words_of(done.error()), HasSubstr("resume"));
    EXPECT_TRUE(bench_.view().intent.has_value());
    bench_.env().set_size(kDevice, kChunks * kChunk);
    ASSERT_TRUE(ok(bench_.resume()));
    EXPECT_TRUE(same(bench_.device(), then_));
  }
}

// The device reports success for a write that it has lost.
TEST_F(Claims, DroppedWritesAreFoundAndTheDeviceIsBlamed) {
  const auto roll_back = [&](VerifyAfter verify_after) {
    bench_.write(0, now_);
    bench_.env().inject(
        {.kinds = {sim::OpKind::kWrite}, .path = kDevice, .nth = 1, .error = 0, .dropped = true});
    auto done = bench_.operations().rollback({.disk = bench_.disk(),
                                              .target = target_,
                                              .path = kDevice,
                                              .request_id = OperationsBench::kRequest,
                                              .verify_after = verify_after},
                                             {});
    bench_.env().clear_faults();
    return done;
  };
  for (const VerifyAfter all : {VerifyAfter::kAuto, VerifyAfter::kWritten, VerifyAfter::kAll}) {
    const auto done = roll_back(all);
    ASSERT_TRUE(failed(done, Errc::kIo));
    EXPECT_THAT(done.error().message, HasSubstr("the device, or what lies below it, lost"));
    EXPECT_THAT(words_of(done.error()), HasSubstr("resume"));
    ASSERT_TRUE(bench_.view().intent.has_value());
    const auto resumed = bench_.resume();
    ASSERT_TRUE(ok(resumed));
    EXPECT_EQ(resumed->verified_after, "written");
    EXPECT_TRUE(same(bench_.device(), then_));
  }
  const auto done = roll_back(VerifyAfter::kNone);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->verified_after, "none");
  EXPECT_FALSE(same(bench_.device(), then_)) << "so the receipt must not say that it was verified";
}

}  // namespace
}  // namespace blkrewind::test
