// Rollback, undo and resume on a simulated device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kChunks = 300;  // more than two leaves of the tree

// One snapshot of `then`; the device holds `now`, where chunks 1, 2, 150 and 299 differ.
class Rollback : public testing::Test {
 protected:
  Rollback() : then_(pattern(kChunks * kChunk, 1)), now_(then_), bench_(then_, kChunk) {
    put(then_, 299 * kChunk, Bytes(kChunk));
    now_ = then_;
    bench_.write(0, then_);
    target_ = bench_.must_snapshot();
    put(now_, kChunk, pattern(2 * kChunk, 2));
    put(now_, 150 * kChunk, Bytes(kChunk));
    put(now_, 299 * kChunk, pattern(kChunk, 3));
    bench_.write(0, now_);
    bench_.env().clear_log();
  }

  // What was asked of the device: nothing but reading, when it is empty.
  std::vector<Extent> written() {
    std::vector<Extent> extents;
    for (const sim::LoggedOp& op : bench_.env().log()) {
      if (op.path == kDevice && sim::is_mutating(op.kind) && op.kind != sim::OpKind::kFlush) {
        extents.push_back(op.extent);
      }
    }
    return extents;
  }

  static void expect_offers_to_look(const Error& error) {
    EXPECT_NE(error.remedy.find(Verb::kList), nullptr);
    for (const Verb verb : {Verb::kUndo, Verb::kResume, Verb::kRollback}) {
      EXPECT_EQ(error.remedy.find(verb), nullptr) << words_of(error);
    }
  }

  // A process that ends at the `nth` request that changes the device.
  void interrupt(std::uint64_t nth, bool undo) {
    const std::vector<sim::OpKind> kinds = {sim::OpKind::kWrite, sim::OpKind::kWriteZeroes};
    bench_.env().inject(
        {.kinds = kinds, .path = kDevice, .nth = nth, .from_then_on = true, .error = EIO});
    const auto failure = bench_.rollback(target_, undo);
    EXPECT_TRUE(failed(failure, Errc::kIo));
    EXPECT_THAT(words_of(failure.error()), HasSubstr("resume"));
    bench_.env().clear_faults();
    EXPECT_TRUE(ok(bench_.open()));
    ASSERT_TRUE(bench_.view().intent.has_value());
    EXPECT_EQ(bench_.view().intent->target, target_);
  }

  Bytes then_;
  Bytes now_;
  OperationsBench bench_;
  SnapshotNumber target_ = 0;
};

TEST_F(Rollback, MovesOnlyWhatChanged) {
  const auto done = bench_.rollback(target_);
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(same(bench_.device(), then_));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_)) << "not everything is flushed";
  EXPECT_EQ(done->changed_bytes, 4U * kChunk);
  EXPECT_EQ(done->restored_bytes, 3U * kChunk);
  EXPECT_EQ(done->zeroed_bytes, kChunk);
  EXPECT_EQ(done->extents, 3U);
  EXPECT_EQ(done->change_source, "scan");
  EXPECT_THAT(written(), testing::UnorderedElementsAre(Extent{kChunk, 2 * kChunk},
                                                       Extent{150 * kChunk, kChunk},
                                                       Extent{299 * kChunk, kChunk}));
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_EQ(bench_.view().disk.base_snapshot, target_);
}

// With undo, chunks are verified while they are written.
TEST_F(Rollback, VerifyingBeforeTheFirstWriteIsTimed) {
  bench_.track();
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  for (const bool undo : {true, false}) {
    bench_.write(kChunk, pattern(kChunk, 77));
    const auto done = bench_.rollback(target_, undo);
    ASSERT_TRUE(ok(done));
    EXPECT_EQ(done->change_source, "bitmap");
    EXPECT_EQ(done->restored_bytes, kChunk);
    if (undo) {
      EXPECT_EQ(done->verify_seconds, 0);
    } else {
      EXPECT_GT(done->verify_seconds, 0);
    }
    EXPECT_TRUE(same(bench_.device(), then_));
  }
}

TEST_F(Rollback, OtherNodesAgreeBeforeTheDeviceIsReadAndAfterItIsFlushed) {
  std::vector<host::CacheUse> uses;
  bool right = true;
  bool written = false;
  bench_.env().set_on_change([&](const std::string& path, Extent) { written |= path == kDevice; });
  bench_.env().set_on_settle([&](const std::string& path, host::CacheUse use) -> Status {
    uses.push_back(use);
    right = right && path == kDevice && written == (use == host::CacheUse::kAfterWriting);
    return {};
  });
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  EXPECT_TRUE(right);
  EXPECT_THAT(uses,
              testing::ElementsAre(host::CacheUse::kBeforeWriting, host::CacheUse::kAfterWriting));
  uses.clear();
  written = false;
  ASSERT_TRUE(ok(bench_.snapshot()));
  EXPECT_THAT(uses, testing::ElementsAre(host::CacheUse::kBeforeReading));
  uses.clear();
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_THAT(uses,
              testing::ElementsAre(host::CacheUse::kBeforeWriting, host::CacheUse::kAfterWriting));
}

TEST_F(Rollback, NodesThatCannotAgreeAreRefusedBeforeAnythingIsWritten) {
  bench_.env().set_on_settle([](const std::string&, host::CacheUse) -> Status {
    return fail(Errc::kPrecondition, "a process keeps pages", "end it");
  });
  EXPECT_TRUE(failed(bench_.rollback(target_), Errc::kPrecondition));
  EXPECT_TRUE(failed(bench_.snapshot(), Errc::kPrecondition));
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_FALSE(bench_.view().intent.has_value());
}

TEST_F(Rollback, OneAfterWhichANodeIsStaleIsNotFinishedAndCanBe) {
  bench_.env().set_on_settle([](const std::string&, host::CacheUse use) -> Status {
    if (use != host::CacheUse::kAfterWriting) return {};
    return fail(Errc::kPrecondition, "a process keeps pages", "end it");
  });
  const auto failure = bench_.rollback(target_);
  EXPECT_TRUE(failed(failure, Errc::kPrecondition));
  EXPECT_THAT(words_of(failure.error()), HasSubstr("resume"));
  ASSERT_TRUE(bench_.view().intent.has_value());
  EXPECT_TRUE(failed(bench_.resume(), Errc::kPrecondition));
  EXPECT_TRUE(bench_.view().intent.has_value());
  bench_.env().set_on_settle({});
  ASSERT_TRUE(ok(bench_.resume()));
  EXPECT_TRUE(same(bench_.device(), then_));
  EXPECT_FALSE(bench_.view().intent.has_value());
}

TEST_F(Rollback, DryRunTouchesNothing) {
  const auto done = bench_.operations().rollback({.disk = bench_.disk(),
                                                  .target = target_,
                                                  .path = kDevice,
                                                  .request_id = {},
                                                  .dry_run = true},
                                                 {});
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(done->dry_run);
  EXPECT_EQ(done->changed_bytes, 4U * kChunk);
  EXPECT_EQ(done->restored_bytes, 3U * kChunk);
  EXPECT_EQ(done->zeroed_bytes, kChunk);
  EXPECT_EQ(done->extents, 3U);
  EXPECT_TRUE(same(bench_.device(), now_));
  EXPECT_THAT(written(), IsEmpty());
  for (const sim::LoggedOp& op : bench_.env().log()) {
    EXPECT_FALSE(sim::is_mutating(op.kind)) << to_string(op);
  }
}

TEST_F(Rollback, UndoTakesItBackAndIsUndoneItself) {
  const auto first = bench_.rollback(target_);
  ASSERT_TRUE(ok(first));
  EXPECT_EQ(first->undo_stored_bytes, 3U * kChunk);
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_TRUE(same(bench_.device(), now_));
  const auto again = bench_.undo();
  ASSERT_TRUE(ok(again));
  EXPECT_TRUE(same(bench_.device(), then_));
  EXPECT_EQ(again->undo_stored_bytes, 0U) << "the first undo snapshot holds all of it";
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(bench_.empties());
}

// An undo checks first and locks then; another rollback may end in between.
TEST_F(Rollback, OneThatIsNotTheLastAnyMoreIsNotTakenBack) {
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  RollbackRequest undo{.disk = bench_.disk(),
                       .target = bench_.view().disk.last_rollback.undo,
                       .path = kDevice,
                       .request_id = "0D8B1C52-6A0E-4C5C-8B57-93B1C0E2F7A1",
                       .takes_back = "5B2A9E4D-30C7-4F5E-9D0B-1A6E8C7F2D34"};
  const auto refused = bench_.operations().rollback(undo, {});
  ASSERT_TRUE(failed(refused, Errc::kBusy));
  EXPECT_FALSE(words_of(refused.error()).empty());
  EXPECT_TRUE(same(bench_.device(), then_));
  undo.takes_back = OperationsBench::kRequest;
  ASSERT_TRUE(ok(bench_.operations().rollback(undo, {})));
  EXPECT_TRUE(same(bench_.device(), now_));
}

TEST_F(Rollback, UndoOfADeviceThatEqualsASnapshotStoresNothing) {
  const auto second = bench_.snapshot();
  const auto done = bench_.rollback(target_);
  ASSERT_TRUE(ok(second) && ok(done));
  EXPECT_EQ(done->undo_stored_bytes, 0U);
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_TRUE(same(bench_.device(), now_));
  const SnapshotNumber later = bench_.must_snapshot();
  EXPECT_EQ(bench_.view().snapshots.back().root_digest.high,
            bench_.view().snapshots[1].root_digest.high);
  EXPECT_TRUE(bench_.exports_as(later, now_));
  EXPECT_TRUE(bench_.exports_as(target_, then_)) << "older and newer snapshots survive";
}

TEST_F(Rollback, ToWhatTheDeviceIsWritesNothing) {
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  bench_.env().clear_log();
  const auto done = bench_.rollback(target_);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->changed_bytes, 0U);
  EXPECT_FALSE(done->undo_snapshot_id.has_value());
  EXPECT_THAT(written(), IsEmpty());
}

TEST_F(Rollback, CorruptChunkWithoutUndoLeavesTheDeviceUntouched) {
  ASSERT_TRUE(bench_.spoil(then_, 2 * kChunk));
  const auto failure = bench_.rollback(target_, false);
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_THAT(failure.error().to_string(), HasSubstr("chunk 2 "));
  EXPECT_EQ(failure.error().extent, (Extent{2 * kChunk, kChunk}));
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_TRUE(same(bench_.device(), now_));
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_TRUE(bench_.view().snapshots[0].damaged);
}

TEST_F(Rollback, ToASnapshotWhoseTreeIsDamagedMarksIt) {
  const format::SnapshotRecord wanted = bench_.view().snapshots[0];
  bench_.env().poke(
      std::string(kStore) + "/disks/1/segments/" + std::to_string(wanted.root.segment),
      wanted.root.offset_bytes() + 100, Bytes(8, std::byte{0xa5}));
  const auto failure = bench_.rollback(target_);
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_FALSE(failure.error().remedy.empty());
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_TRUE(bench_.view().snapshots[0].damaged);
}

// The base snapshot's tree says where the wanted one may differ; damaged, it is done without, and
// it is not the wanted one that is damaged.
TEST_F(Rollback, ADamagedBaseIsDoneWithoutWhenTracked) {
  bench_.track();
  bench_.must_snapshot();
  const SnapshotNumber base = bench_.must_snapshot();
  ASSERT_EQ(bench_.view().disk.base_snapshot, base);
  put(now_, 5 * kChunk, pattern(kChunk, 7));
  bench_.write(5 * kChunk, pattern(kChunk, 7));
  const format::SnapshotRecord record = bench_.view().snapshots.back();
  bench_.env().poke(
      std::string(kStore) + "/disks/1/segments/" + std::to_string(record.root.segment),
      record.root.offset_bytes() + 100, Bytes(8, std::byte{0xa5}));
  const auto receipt = bench_.rollback(target_, false);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->change_source, "scan");
  EXPECT_TRUE(same(bench_.device(), then_));
  EXPECT_FALSE(bench_.view().snapshots[0].damaged);
}

TEST_F(Rollback, CorruptChunkThatIsNotNeededDoesNotMatter) {
  ASSERT_TRUE(bench_.spoil(then_, 200 * kChunk));
  ASSERT_TRUE(ok(bench_.rollback(target_, false)));
  EXPECT_TRUE(same(bench_.device(), then_));
}

TEST_F(Rollback, CorruptChunkWithUndoPutsTheDeviceBack) {
  // The last of the plan: the ones before it have been written by then.
  put(now_, 298 * kChunk, pattern(kChunk, 4));
  bench_.write(0, now_);
  ASSERT_TRUE(bench_.spoil(then_, 298 * kChunk));
  const auto failure = bench_.rollback(target_);
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_THAT(failure.error().to_string(), HasSubstr("chunk 298 "));
  EXPECT_THAT(failure.error().message, HasSubstr("put back as it was"));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), now_));
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_TRUE(bench_.view().snapshots[0].damaged);
  EXPECT_EQ(bench_.view().disk.last_rollback.target, 0U) << "there is nothing to undo";
  EXPECT_TRUE(bench_.exports_as(bench_.must_snapshot(), now_));
}

// The undo snapshot shares what a snapshot holds already: unless that has rotted.
TEST_F(Rollback, WhatUndoSharesIsReadFirst) {
  const SnapshotNumber later = bench_.must_snapshot();
  ASSERT_TRUE(bench_.spoil(now_, 2 * kChunk));
  const auto receipt = bench_.rollback(target_);
  ASSERT_TRUE(ok(receipt));
  EXPECT_TRUE(same(bench_.device(), then_));
  EXPECT_TRUE(bench_.view().snapshots[1].damaged);
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_TRUE(same(bench_.device(), now_));
  ASSERT_TRUE(ok(bench_.remove(later)));
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(bench_.empties());
}

TEST_F(Rollback, BothTheTargetAndWhatUndoSharesAreCorrupt) {
  bench_.must_snapshot();
  ASSERT_TRUE(bench_.spoil(now_, kChunk));
  ASSERT_TRUE(bench_.spoil(then_, 299 * kChunk));
  const auto failure = bench_.rollback(target_);
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_THAT(failure.error().message, HasSubstr("put back as it was"));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), now_));
  EXPECT_FALSE(bench_.view().intent.has_value());
}

// There is no other way back: what is whole comes back, and the rest is counted.
TEST_F(Rollback, GoingBackPassesOverWhatIsLost) {
  interrupt(3, true);
  ASSERT_TRUE(bench_.spoil(now_, kChunk));
  const auto back = bench_.resume(true);
  ASSERT_TRUE(failed(back, Errc::kIntegrity));
  EXPECT_THAT(back.error().message, HasSubstr("chunk 1 is corrupt"));
  EXPECT_THAT(back.error().message, HasSubstr(" 1 are lost"));
  Bytes device = bench_.device();
  put(device, kChunk, Bytes(now_.begin() + kChunk, now_.begin() + 2 * kChunk));
  EXPECT_TRUE(same(device, now_)) << "beside the corrupt chunk";
  EXPECT_TRUE(bench_.view().intent.has_value());
}

TEST_F(Rollback, OneThatCanBeFinishedInNeitherDirectionCanBeAbandoned) {
  interrupt(2, true);
  EXPECT_TRUE(failed(bench_.operations().abandon_rollback(bench_.disk()), Errc::kPrecondition));
  ASSERT_TRUE(bench_.spoil(now_, kChunk));
  ASSERT_TRUE(bench_.spoil(then_, 150 * kChunk));
  const auto forwards = bench_.resume();
  ASSERT_TRUE(failed(forwards, Errc::kIntegrity));
  EXPECT_THAT(words_of(forwards.error()), HasSubstr("forget"));
  EXPECT_TRUE(failed(bench_.resume(true), Errc::kIntegrity));
  format::ResetRecord reset;
  reset.disk = bench_.disk();
  reset.request_id = OperationsBench::kRequest;
  reset.snapshot_id = bench_.view().snapshots.front().id;
  ASSERT_TRUE(ok(bench_.operations().accept_reset(reset)));
  ASSERT_TRUE(ok(bench_.operations().abandon_rollback(bench_.disk())));
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_EQ(bench_.view().reset->state, ResetState::kFailed);
  const Bytes device = bench_.device();
  EXPECT_TRUE(bench_.exports_as(bench_.must_snapshot(), device));
  EXPECT_TRUE(bench_.empties());
}

// However long a request may be, what lies together is one extent, as in a difference.
TEST_F(Rollback, ExtentsAreCountedAsADifferenceCountsThem) {
  put(now_, 0, pattern(280 * kChunk, 5));
  bench_.write(0, now_);
  const auto difference =
      bench_.operations().diff_device(bench_.disk(), kDevice, target_, [](Extent) {}, {});
  ASSERT_TRUE(ok(difference));
  EXPECT_EQ(difference->extents, 2U);
  const RollbackRequest plan{.disk = bench_.disk(),
                             .target = target_,
                             .path = kDevice,
                             .request_id = OperationsBench::kRequest,
                             .dry_run = true};
  const auto planned = bench_.operations().rollback(plan, {});
  ASSERT_TRUE(ok(planned));
  EXPECT_EQ(planned->extents, 2U);
  const auto receipt = bench_.rollback(target_);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->extents, 2U);
}

TEST_F(Rollback, ABitThatRotsOnTheMediumIsSeen) {
  const auto [path, offset] = bench_.find_stored(then_, kChunk);
  ASSERT_FALSE(path.empty());
  bench_.env().rot_bit(path, offset + 7, 3);
  EXPECT_TRUE(failed(bench_.rollback(target_), Errc::kIntegrity));
  EXPECT_TRUE(same(bench_.device(), now_));
  bench_.env().heal();
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  EXPECT_TRUE(same(bench_.device(), then_));
}

// The base snapshot is the newest one; its nodes are gone, and nothing is shared with it.
TEST_F(Rollback, ABaseSnapshotWhoseTreeIsLostDoesNotMatter) {
  const std::string folder = std::string(kStore) + "/disks/1/segments";
  const auto before = bench_.env().list_directory(folder);
  (void)bench_.must_snapshot();
  put(now_, 5 * kChunk, pattern(kChunk, 4));
  bench_.write(0, now_);
  const auto after = bench_.env().list_directory(folder);
  ASSERT_GT(after->size(), before->size());
  for (const std::string& name : *after) {
    if (std::ranges::find(*before, name) != before->end()) continue;
    ASSERT_TRUE(ok(bench_.env().remove(folder + "/" + name)));
  }
  ASSERT_TRUE(ok(bench_.open()));
  ASSERT_TRUE(ok(bench_.rollback(target_)));
  EXPECT_TRUE(same(bench_.device(), then_));
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_TRUE(same(bench_.device(), now_));
}

// What differs is in three leaves: with room for two of them the list goes to a file without a
// name, and every way back reads it from there.
TEST_F(Rollback, WhatDiffersNeedNotFitInMemory) {
  const auto spilled = [&] {
    return std::ranges::any_of(bench_.env().log(), [](const sim::LoggedOp& op) {
      return op.kind == sim::OpKind::kWrite && op.path == std::string(kStore) + "/(unnamed)";
    });
  };
  bench_.keep_in_memory(2);
  const auto names = bench_.env().list_directory(kStore);
  for (const bool with_undo : {true, false}) {
    SCOPED_TRACE(with_undo);
    bench_.write(0, now_);
    bench_.env().clear_log();
    const auto done = bench_.rollback(target_, with_undo);
    ASSERT_TRUE(ok(done));
    EXPECT_EQ(done->changed_bytes, 4 * kChunk);
    EXPECT_EQ(done->restored_bytes + done->zeroed_bytes, 4 * kChunk) << "and no neighbour";
    EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_));
    EXPECT_TRUE(spilled());
  }
  for (const bool backwards : {true, false}) {
    SCOPED_TRACE(backwards);
    bench_.write(0, now_);
    interrupt(2, true);
    bench_.env().clear_log();
    ASSERT_TRUE(ok(bench_.resume(backwards)));
    EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), backwards ? now_ : then_));
  }
  EXPECT_EQ(*bench_.env().list_directory(kStore), *names);
}

// A file system without room for the list: a chunk that does not differ may be written too, and the
// rollback ends.
TEST_F(Rollback, WithoutRoomForTheListItEndsAllTheSame) {
  bench_.keep_in_memory(2);
  bench_.env().inject(
      {.kinds = {sim::OpKind::kCreate}, .path = kStore, .from_then_on = true, .error = ENOSPC});
  const auto done = bench_.rollback(target_, false);
  ASSERT_TRUE(ok(done));
  EXPECT_GE(done->restored_bytes + done->zeroed_bytes, 4 * kChunk);
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_));
}

TEST_F(Rollback, InterruptedIsVisibleAndEverythingElseIsRefused) {
  interrupt(2, true);
  const auto refused = [](const auto& result) {
    EXPECT_TRUE(failed(result, Errc::kPrecondition));
    EXPECT_EQ(api_of(result.error()), "InvalidOperation.DiskResetInProgress");
    EXPECT_THAT(words_of(result.error()), HasSubstr("resume /dev/simulated"));
    EXPECT_THAT(words_of(result.error()), HasSubstr("undo /dev/simulated"));
  };
  bench_.env().add_device("/image", now_.size());
  refused(bench_.snapshot());
  refused(bench_.rollback(target_));
  refused(bench_.operations().import_image(bench_.disk(), "/image", {}, {}));
  refused(bench_.operations().forget_disk(bench_.disk()));
  refused(bench_.remove(target_));
  refused(bench_.remove(bench_.view().intent->undo));
  // Looking is allowed.
  EXPECT_TRUE(ok(bench_.operations().diff_device(bench_.disk(), kDevice, target_, {}, {})));
  EXPECT_TRUE(bench_.exports_as(target_, then_));
  EXPECT_TRUE(bench_.exports_as(bench_.view().intent->undo, now_));
}

TEST_F(Rollback, ResumeGivesExactlyTheTarget) {
  interrupt(2, true);
  const auto done = bench_.resume();
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->change_source, "scan");
  EXPECT_EQ(done->scanned_bytes, kChunks * kChunk) << "the device may have been used since";
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_));
  EXPECT_FALSE(bench_.view().intent.has_value());
  ASSERT_TRUE(ok(bench_.undo()));
  EXPECT_TRUE(same(bench_.device(), now_));
  EXPECT_TRUE(failed(bench_.resume(), Errc::kPrecondition));
}

TEST_F(Rollback, ResumeBackwardsGivesExactlyTheStateBefore) {
  interrupt(3, true);
  const auto done = bench_.resume(true);
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), now_));
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_EQ(bench_.view().disk.last_rollback.target, 0U);
  EXPECT_TRUE(bench_.empties());
}

TEST_F(Rollback, ResumeWithoutUndoKnowsOnlyForwards) {
  interrupt(2, false);
  const auto refused = bench_.resume(true);
  ASSERT_TRUE(failed(refused, Errc::kPrecondition));
  EXPECT_THAT(refused.error().message, HasSubstr("no undo snapshot"));
  ASSERT_TRUE(ok(bench_.resume()));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_));
}

TEST_F(Rollback, FailedFlushOfTheDeviceIsNoSuccess) {
  bench_.env().inject(
      {.kinds = {sim::OpKind::kFlush}, .path = kDevice, .flush_loss = sim::FlushLoss::kVanish});
  EXPECT_TRUE(failed(bench_.rollback(target_), Errc::kIo));
  ASSERT_TRUE(bench_.view().intent.has_value());
  // What the flush lost is read again and written again.
  ASSERT_TRUE(ok(bench_.resume()));
  EXPECT_TRUE(same(bench_.env().durable_contents(kDevice), then_));
}

// A record whose flush failed may be there or not: what the error offers must be right in both
// cases, so it is to look first.
TEST_F(Rollback, AnEndThatMayNotBeRecordedOffersToLookAndNothingElse) {
  for (const bool undo : {true, false}) {
    bench_.write(0, now_);
    // The flush of the record that ends it, after that of the intent; the second time after that of
    // the last record, too, which another process wrote.
    bench_.env().inject(
        {.kinds = {sim::OpKind::kFlush}, .path = "/disks/1/log", .nth = undo ? 2U : 3U});
    const auto failure = bench_.rollback(target_, undo);
    ASSERT_TRUE(failed(failure, Errc::kIo));
    expect_offers_to_look(failure.error());
    EXPECT_THAT(failure.error().message, HasSubstr("has ended"));
    EXPECT_TRUE(same(bench_.device(), then_));
    ASSERT_TRUE(ok(bench_.kill()));
    if (bench_.view().intent) {
      ASSERT_TRUE(ok(bench_.resume()));
    }
  }
}

TEST_F(Rollback, ABeginningThatMayNotBeRecordedSaysThatTheDeviceIsUntouched) {
  bench_.env().inject({.kinds = {sim::OpKind::kFlush}, .path = "/disks/1/log"});
  const auto failure = bench_.rollback(target_);
  ASSERT_TRUE(failed(failure, Errc::kIo));
  expect_offers_to_look(failure.error());
  EXPECT_THAT(failure.error().message, HasSubstr("nothing was written to the device"));
  EXPECT_TRUE(same(bench_.device(), now_));
}

TEST_F(Rollback, StoppedDuringTheScanNothingHasHappened) {
  const std::atomic<bool> cancel = true;
  EXPECT_TRUE(failed(bench_.rollback(target_, true, {{}, &cancel}), Errc::kCancelled));
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_FALSE(bench_.view().intent.has_value());
  EXPECT_EQ(bench_.view().snapshots.size(), 1U);
}

TEST_F(Rollback, StoppedWhileWritingItCanGoEitherWay) {
  for (const bool backwards : {false, true}) {
    bench_.write(0, now_);
    std::atomic<bool> cancel = false;
    const Monitor monitor{[&](const Progress& progress) {
                            // The scan has ended: the next look at the flag is in the stream.
                            if (std::string(progress.phase) == "scan") cancel = true;
                          },
                          &cancel};
    const auto stopped = bench_.rollback(target_, true, monitor);
    ASSERT_TRUE(failed(stopped, Errc::kCancelled));
    EXPECT_THAT(words_of(stopped.error()), HasSubstr("resume"));
    ASSERT_TRUE(bench_.view().intent.has_value());
    ASSERT_TRUE(ok(bench_.resume(backwards)));
    EXPECT_TRUE(same(bench_.device(), backwards ? now_ : then_));
  }
}

TEST_F(Rollback, OnlyOneOfItsOwnSnapshots) {
  EXPECT_TRUE(failed(bench_.rollback(4711), Errc::kNotFound));
}

}  // namespace
}  // namespace blkrewind::test
