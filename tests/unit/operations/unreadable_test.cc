// Unreadable is not damaged: in the store it is not damage, and on the device it is a difference
// that a rollback repairs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "support/errors.h"
#include "support/operations_bench.h"

namespace blkrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kDeviceChunks = 40;
constexpr std::uint64_t kSector = 512;

// A snapshot of `then`, and a device that holds `now`: chunks 3 and 20 differ.
class Unreadable : public testing::Test {
 protected:
  Unreadable() : then_(pattern(kDeviceChunks * kChunk, 1)), now_(then_), bench_(then_, kChunk) {
    bench_.write(0, then_);
    target_ = bench_.must_snapshot();
    put(now_, 3 * kChunk, pattern(kChunk, 2));
    put(now_, 20 * kChunk, pattern(kChunk, 3));
    bench_.write(0, now_);
  }

  void break_store(int error, std::uint64_t nth = 1) {
    bench_.env().inject({.kinds = {sim::OpKind::kRead, sim::OpKind::kOpen},
                         .path = "/store/disks/1/segments",
                         .nth = nth,
                         .from_then_on = true,
                         .error = error});
  }
  void expect_unmarked() {
    for (const auto& snapshot : bench_.view().snapshots) EXPECT_FALSE(snapshot.damaged);
  }

  Bytes then_;
  Bytes now_;
  OperationsBench bench_;
  SnapshotNumber target_ = 0;
};

TEST_F(Unreadable, StoreIsNoDamageToVerify) {
  for (const int error : {EACCES, EMFILE, ENOMEM, EIO, ESTALE, ENODEV}) {
    ASSERT_TRUE(ok(bench_.open()));
    break_store(error);
    const auto receipt = bench_.operations().verify({bench_.key(target_)}, {});
    bench_.env().clear_faults();
    ASSERT_TRUE(ok(receipt));
    EXPECT_THAT(receipt->damaged, IsEmpty());
    EXPECT_THAT(receipt->unreadable, ElementsAre(bench_.view().snapshots[0].id));
    ASSERT_TRUE(receipt->unreadable_because.has_value());
    EXPECT_EQ(receipt->unreadable_because->sys_errno, error);
    EXPECT_EQ(receipt->unreadable_because->code, Errc::kIo);
    EXPECT_THAT(receipt->unreadable_because->to_string(), HasSubstr("/store/disks/1/segments"));
    expect_unmarked();
  }
  EXPECT_TRUE(bench_.all_verify());
}

// A chunk that two snapshots share does not count as verified if the first could not read it.
TEST_F(Unreadable, WhatCouldNotBeReadIsNotSparedToItsKin) {
  const SnapshotNumber later = bench_.must_snapshot();
  ASSERT_TRUE(ok(bench_.open()));
  const auto [path, offset] = bench_.find_stored(then_, 30 * kChunk);
  ASSERT_FALSE(path.empty());
  bench_.env().break_sectors(path, {offset, kSector});
  const auto receipt = bench_.operations().verify({bench_.key(target_), bench_.key(later)}, {});
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->unreadable.size(), 2U);
  EXPECT_THAT(receipt->damaged, IsEmpty());
}

TEST_F(Unreadable, AMarkGoesWhenTheSnapshotIsFoundWholeAndNotBefore) {
  const auto [path, offset] = bench_.find_stored(then_, 30 * kChunk);
  ASSERT_FALSE(path.empty());
  ASSERT_TRUE(bench_.spoil(then_, 30 * kChunk));
  ASSERT_TRUE(ok(bench_.operations().verify({bench_.key(target_)}, {})));
  EXPECT_TRUE(bench_.view().snapshots[0].damaged);
  bench_.env().poke(path, offset, Bytes(then_.begin() + 30 * kChunk, then_.begin() + 31 * kChunk));
  ASSERT_TRUE(ok(bench_.open()));
  break_store(EACCES);
  ASSERT_TRUE(ok(bench_.operations().verify({bench_.key(target_)}, {})));
  bench_.env().clear_faults();
  EXPECT_TRUE(bench_.view().snapshots[0].damaged) << "nothing was read";
  ASSERT_TRUE(ok(bench_.operations().verify({bench_.key(target_)}, {})));
  EXPECT_FALSE(bench_.view().snapshots[0].damaged);
}

// Whichever operation first fails to read the store: no damage is recorded, nothing is put back,
// and a rollback that has started can be finished.
TEST_F(Unreadable, StoreDuringARollbackLeavesItToBeResumed) {
  for (const bool undo : {true, false}) {
    bool interrupted = false;
    for (std::uint64_t nth = 1;; ++nth) {
      bench_.write(0, now_);
      ASSERT_TRUE(ok(bench_.open()));
      break_store(EACCES, nth);
      const auto done = bench_.rollback(target_, undo);
      bench_.env().clear_faults();
      expect_unmarked();
      if (done) break;
      EXPECT_EQ(done.error().code, Errc::kIo) << done.error().to_string();
      EXPECT_EQ(done.error().sys_errno, EACCES);
      if (!bench_.view().intent) {
        EXPECT_TRUE(same(bench_.device(), now_));
        continue;
      }
      interrupted = true;
      EXPECT_THAT(words_of(done.error()), HasSubstr("resume"));
      ASSERT_TRUE(ok(bench_.resume()));
      EXPECT_TRUE(same(bench_.device(), then_));
    }
    EXPECT_TRUE(interrupted);
  }
}

TEST_F(Unreadable, SegmentThatIsCutIsMissing) {
  const auto [path, offset] = bench_.find_stored(then_, 3 * kChunk);
  ASSERT_FALSE(path.empty());
  ASSERT_TRUE(ok(bench_.open()));
  bench_.env().set_size(path, offset + 100);
  const auto failure = bench_.rollback(target_, false);
  ASSERT_TRUE(failed(failure, Errc::kIntegrity));
  EXPECT_THAT(failure.error().message, HasSubstr("missing"));
}

TEST_F(Unreadable, DeleteFailsRatherThanCountWrong) {
  ASSERT_TRUE(ok(bench_.open()));
  break_store(EIO);
  EXPECT_TRUE(failed(bench_.remove(target_), Errc::kIo));
  bench_.env().clear_faults();
  EXPECT_EQ(bench_.view().snapshots.size(), 1U);
  EXPECT_TRUE(bench_.all_verify());
  EXPECT_TRUE(bench_.empties());
}

TEST_F(Unreadable, SectorsOfTheDeviceFailASnapshotWhichNamesThem) {
  bench_.env().break_sectors(kDevice, {5 * kChunk + 2 * kSector, 2 * kSector});
  const auto failure = bench_.snapshot();
  ASSERT_TRUE(failed(failure, Errc::kIo));
  EXPECT_EQ(failure.error().sys_errno, EIO);
  ASSERT_TRUE(failure.error().extent.has_value());
  EXPECT_LE(failure.error().extent->offset, 5 * kChunk + 2 * kSector);
  EXPECT_LE(failure.error().extent->length, kChunk);
}

TEST_F(Unreadable, SectorsOfTheDeviceAreHealedByARollback) {
  // One in a chunk that differs, one in a chunk that does not, as far as it can be read.
  for (const bool undo : {false, true}) {
    bench_.write(0, now_);
    bench_.env().break_sectors(kDevice, {3 * kChunk, kSector});
    bench_.env().break_sectors(kDevice, {7 * kChunk, kSector}, ENODATA);
    const auto done = bench_.rollback(target_, undo);
    ASSERT_TRUE(ok(done));
    EXPECT_TRUE(same(bench_.device(), then_));
    EXPECT_GE(done->unreadable_bytes, 2 * kSector);
    EXPECT_EQ(done->unreadable.size(), 2U);
    EXPECT_EQ(done->changed_bytes, 3U * kChunk);
    EXPECT_TRUE(ok(bench_.operations().diff_device(bench_.disk(), kDevice, target_, {}, {})));
    expect_unmarked();
  }
}

// Unreadable data is never returned as if it had been read.
TEST_F(Unreadable, UndoBringsBackAMarkAndSaysSo) {
  bench_.env().break_sectors(kDevice, {3 * kChunk, kChunk});
  const auto done = bench_.rollback(target_);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->unreadable_bytes, kChunk);
  EXPECT_THAT(bench_.view().snapshots.back().failure, HasSubstr("4096 bytes could not be read"));
  const auto back = bench_.undo();
  ASSERT_TRUE(ok(back));
  EXPECT_EQ(back->marked_bytes, kChunk);
  Bytes device = bench_.device();
  const std::string mark(reinterpret_cast<const char*>(device.data() + 3 * kChunk), 22);
  EXPECT_EQ(mark, "blkrewind: this sector");
  put(device, 3 * kChunk, Bytes(now_.begin() + 3 * kChunk, now_.begin() + 4 * kChunk));
  EXPECT_TRUE(same(device, now_)) << "beside what could not be read";
}

// Also if a snapshot holds zeroes there, as an unfilled buffer might.
TEST_F(Unreadable, DiffersFromEverything) {
  Bytes zero_chunk = then_;
  put(zero_chunk, 9 * kChunk, Bytes(kChunk));
  bench_.write(0, zero_chunk);
  const SnapshotNumber zero = bench_.must_snapshot();
  bench_.env().break_sectors(kDevice, {9 * kChunk, kChunk});
  std::vector<Extent> extents;
  const auto difference = bench_.operations().diff_device(
      bench_.disk(), kDevice, zero, [&](Extent extent) { extents.push_back(extent); }, {});
  ASSERT_TRUE(ok(difference));
  EXPECT_THAT(extents, ElementsAre(Extent{9 * kChunk, kChunk}));
  EXPECT_EQ(difference->unreadable_bytes, kChunk);
  ASSERT_TRUE(ok(bench_.rollback(zero)));
  EXPECT_TRUE(ok(bench_.operations().diff_device(bench_.disk(), kDevice, zero, {}, {})));
  EXPECT_TRUE(same(bench_.device(), zero_chunk));
}

// A device that has gone is not a bad sector.
TEST_F(Unreadable, ADeviceThatIsGoneEndsTheRollbackBeforeItBegins) {
  bench_.env().inject(
      {.kinds = {sim::OpKind::kRead}, .path = kDevice, .from_then_on = true, .error = ENODEV});
  EXPECT_TRUE(failed(bench_.rollback(target_), Errc::kIo));
  EXPECT_FALSE(bench_.view().intent.has_value());
}

}  // namespace
}  // namespace blkrewind::test
