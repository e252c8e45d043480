#include "store/log.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "unit/store/log_fixture.h"

namespace blkrewind::store {
namespace {

using format::kLogBlockBytes;
using format::kLogRecordsOffset;
using format::SegmentRecord;

class LogTest : public LogFixture {
 protected:
  static Status put(Log& log, std::uint32_t id, std::uint64_t live_bytes) {
    return log.update([&](const State&) -> Result<format::Transaction> {
      return format::Transaction{SegmentRecord{id, live_bytes}};
    });
  }
  // Record `number` (from 0), each of one block, gets a flipped byte.
  void damage(std::uint64_t number, std::uint64_t at = 100) {
    std::byte byte = env_.contents(path()).at(kLogRecordsOffset + number * kLogBlockBytes + at);
    byte ^= std::byte{1};
    env_.poke(path(), kLogRecordsOffset + number * kLogBlockBytes + at, {&byte, 1});
  }
  void forget_tail() {
    const std::vector<std::byte> zeroes(kLogBlockBytes);
    env_.poke(path(), format::kLogTailOffset, zeroes);
  }
  void damage_tail() {
    std::byte byte = env_.contents(path()).at(format::kLogTailOffset + 16);
    byte ^= std::byte{1};
    env_.poke(path(), format::kLogTailOffset + 16, {&byte, 1});
  }
};

using Segments = PersistentMap<format::SegmentId, std::uint64_t>;

TEST_F(LogTest, ReplaysWhatWasAppended) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 10));
  ASSERT_TRUE(put(log, 2, 20));
  ASSERT_TRUE(put(log, 1, 11));
  EXPECT_EQ(log.state()->segments, (Segments{{1, 11}, {2, 20}}));
  Log again = open();
  EXPECT_TRUE(again.state()->segments.empty()) << "nothing before the first refresh";
  ASSERT_TRUE(again.refresh());
  EXPECT_EQ(again.state()->segments, log.state()->segments);
  EXPECT_EQ(*again.size_bytes(), kLogRecordsOffset + 3 * kLogBlockBytes);
}

TEST_F(LogTest, IsDurableWhenUpdateReturns) {
  Log log = open();
  for (std::uint32_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(put(log, i, i));
    const auto crashed = env_.crash(i);
    LogProcess after(*crashed);
    must(after.log.refresh());
    EXPECT_EQ(after.log.state()->segments.size(), i);
  }
}

TEST_F(LogTest, TwoOfThemSeeEachOther) {
  Log a = open();
  Log b = open();
  for (std::uint32_t i = 0; i < 20; ++i) {
    Log& one = i % 3 == 0 ? a : b;
    ASSERT_TRUE(one.update([&](const State& state) -> Result<format::Transaction> {
      EXPECT_EQ(state.segments.size(), i) << "built on what the other appended";
      return format::Transaction{SegmentRecord{i + 1, i}};
    }));
  }
  ASSERT_TRUE(a.refresh());
  ASSERT_TRUE(b.refresh());
  EXPECT_EQ(a.state()->segments.size(), 20U);
  EXPECT_EQ(a.state()->segments, b.state()->segments);
}

TEST_F(LogTest, AStateNeverChangesUnderItsHolder) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 1));
  const auto held = log.state();
  ASSERT_TRUE(put(log, 2, 2));
  EXPECT_EQ(held->segments.size(), 1U);
  EXPECT_EQ(log.state()->segments.size(), 2U);
}

TEST_F(LogTest, AnEmptyTransactionOrAFailedBuildAppendsNothing) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 1));
  const std::uint64_t size = *log.size_bytes();
  const auto before = env_.mutations();
  ASSERT_TRUE(log.update([](const State&) { return format::Transaction{}; }));
  const auto refused = log.update([](const State&) -> Result<format::Transaction> {
    return fail(Errc::kAlreadyExists, "taken");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kAlreadyExists);
  EXPECT_EQ(env_.mutations(), before);
  EXPECT_EQ(*log.size_bytes(), size);
  EXPECT_TRUE(put(log, 2, 2)) << "a refusal breaks nothing";
}

TEST_F(LogTest, ReadingTakesNoLockAndWritesNothing) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 1));
  const auto lock = must(env_.lock(layout_.format(), LocalLayout::log_lock(LogProcess::kDisk),
                                   io::LockMode::kExclusive));
  const auto before = env_.mutations();
  Log reader = open();
  EXPECT_TRUE(reader.refresh());
  EXPECT_EQ(reader.state()->segments.size(), 1U);
  EXPECT_EQ(env_.mutations(), before);
}

TEST_F(LogTest, ATornLastRecordIsNotThereAndIsOverwritten) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 1));
  // A power cut while a record of three blocks is written: two of them are written.
  Log dying = open();
  env_.inject({.kinds = {sim::OpKind::kWrite},
               .path = "/disks/7/log",
               .applied_bytes = 2 * kLogBlockBytes});
  ASSERT_FALSE(dying.update([](const State&) -> Result<format::Transaction> {
    return format::Transaction(500, SegmentRecord{7, 7});
  }));
  Log after = open();
  ASSERT_TRUE(after.refresh());
  EXPECT_EQ(after.state()->segments, (Segments{{1, 1}}));
  ASSERT_TRUE(put(after, 2, 2));
  ASSERT_TRUE(put(after, 3, 3));
  Log last = open();
  ASSERT_TRUE(last.refresh());
  EXPECT_EQ(last.state()->segments, (Segments{{1, 1}, {2, 2}, {3, 3}}));
}

TEST_F(LogTest, ALostRecordInTheMiddleIsNoticed) {
  Log log = open();
  for (std::uint32_t i = 1; i <= 4; ++i) ASSERT_TRUE(put(log, i, i));
  damage(1);
  for (const bool tail : {true, false}) {
    if (!tail) forget_tail();
    Log after = open();
    const auto read = after.refresh();
    ASSERT_FALSE(read) << "tail " << tail;
    EXPECT_EQ(read.error().code, Errc::kIntegrity);
    EXPECT_NE(read.error().message.find("record 2"), std::string::npos) << read.error().message;
    EXPECT_FALSE(words_of(read.error()).empty());
    const auto size = env_.contents(path()).size();
    EXPECT_FALSE(put(after, 9, 9)) << "nothing is appended to a damaged journal";
    EXPECT_EQ(env_.contents(path()).size(), size);
  }
}

TEST_F(LogTest, ALostLastRecordIsNoticedByTheTail) {
  Log log = open();
  for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(log, i, i));
  damage(2);
  Log after = open();
  const auto read = after.refresh();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kIntegrity);
  // Without a tail it is a torn append.
  forget_tail();
  Log torn = open();
  ASSERT_TRUE(torn.refresh());
  EXPECT_EQ(torn.state()->segments.size(), 2U);
}

// Alone it hides nothing, and is reported; the next append mends it.
TEST_F(LogTest, ALostTailIsReportedBeforeARecordIsLostToo) {
  for (const bool blank : {false, true}) {
    SCOPED_TRACE(blank ? "blank" : "flipped");
    Log log = open();
    for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(log, i, i));
    ASSERT_TRUE(log.check());
    blank ? forget_tail() : damage_tail();
    Log after = open();
    ASSERT_TRUE(after.refresh()) << "all records are there";
    EXPECT_EQ(after.state()->segments.size(), 3U);
    const Status reported = after.check();
    ASSERT_FALSE(reported);
    EXPECT_EQ(reported.error().code, Errc::kIntegrity);
    EXPECT_NE(words_of(reported.error()).find("store gc"), std::string::npos);
    ASSERT_TRUE(after.make_last_record_durable());
    EXPECT_TRUE(after.check()) << "an owner that builds on the records writes it anew";
  }
}

// With a damaged tail nothing says that the record was acknowledged, nor that it was not.
TEST_F(LogTest, ALostLastRecordIsNoticedWithoutTheTail) {
  for (const bool blank : {false, true}) {
    SCOPED_TRACE(blank ? "blank" : "flipped");
    Log log = open();
    for (std::uint32_t i = 1; i <= 4; ++i) ASSERT_TRUE(put(log, i, i));
    const auto whole = env_.contents(path());
    damage(*log.size_bytes() / kLogBlockBytes - kLogRecordsOffset / kLogBlockBytes - 1);
    blank ? forget_tail() : damage_tail();
    Log after = open();
    const Status read = after.refresh();
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::kIntegrity);
    EXPECT_FALSE(words_of(read.error()).empty());
    env_.poke(path(), 0, whole);
  }
}

TEST_F(LogTest, ATruncatedJournalIsNoticed) {
  Log log = open();
  for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(log, i, i));
  for (const std::uint64_t size :
       {kLogRecordsOffset + 2 * kLogBlockBytes, kLogRecordsOffset + 512, kLogRecordsOffset,
        std::uint64_t{4096}, std::uint64_t{100}, std::uint64_t{0}}) {
    const auto whole = env_.contents(path());
    env_.set_size(path(), size);
    Log after = open();
    const auto read = after.refresh();
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Errc::kIntegrity) << size;
    EXPECT_FALSE(words_of(read.error()).empty());
    env_.poke(path(), 0, whole);
  }
}

// As by cp(1) of a backup, while a process has the log open.
TEST_F(LogTest, AnOlderCopyThatWasWrittenOverItIsReadAgain) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 10));
  const auto older = env_.contents(path());
  ASSERT_TRUE(put(log, 2, 20));
  env_.set_size(path(), older.size());
  env_.poke(path(), 0, older);
  ASSERT_TRUE(put(log, 3, 30));
  Log other = open();
  ASSERT_TRUE(other.refresh());
  EXPECT_EQ(other.state()->segments, (Segments{{1, 10}, {3, 30}}));
  EXPECT_EQ(log.state()->segments, other.state()->segments);
}

TEST_F(LogTest, ALogThatIsCutWhileItIsOpenIsNotAppendedTo) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 10));
  ASSERT_TRUE(put(log, 2, 20));
  env_.set_size(path(), kLogRecordsOffset + kLogBlockBytes);
  const auto cut = env_.contents(path());
  const auto appended = put(log, 3, 30);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Errc::kIntegrity);
  EXPECT_EQ(env_.contents(path()), cut);
}

TEST_F(LogTest, ABitFlippedAnywhereInARecordIsNoticed) {
  Log log = open();
  for (std::uint32_t i = 1; i <= 2; ++i) ASSERT_TRUE(put(log, i, i));
  for (std::uint64_t at = 0; at < kLogBlockBytes; at += 61) {
    damage(0, at);
    Log after = open();
    EXPECT_FALSE(after.refresh()) << at;
    damage(0, at);
  }
  Log whole = open();
  EXPECT_TRUE(whole.refresh());
}

TEST_F(LogTest, ACheckpointKeepsTheStateAndShrinksTheFile) {
  Log log = open();
  Log other = open();
  for (std::uint32_t i = 1; i <= 30; ++i) ASSERT_TRUE(put(log, 1 + i % 3, i));
  ASSERT_TRUE(other.refresh());
  EXPECT_FALSE(*log.checkpoint(false)) << "it has not grown enough";
  const auto before = log.state()->segments;
  EXPECT_TRUE(*log.checkpoint(true));
  EXPECT_EQ(*log.size_bytes(), kLogRecordsOffset + kLogBlockBytes);
  EXPECT_EQ(log.state()->segments, before);
  EXPECT_FALSE(*log.checkpoint(true)) << "it is as short as it can be";
  EXPECT_FALSE(*env_.exists(path() + ".new"));

  // Another process has the old file open: it finds the new one, and appends to that.
  ASSERT_TRUE(put(other, 9, 9));
  ASSERT_TRUE(put(log, 10, 10));
  ASSERT_TRUE(other.refresh());
  EXPECT_EQ(other.state()->segments.size(), 5U);
  Log fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments, other.state()->segments);
  EXPECT_EQ(fresh.state()->segments, log.state()->segments);
}

TEST_F(LogTest, GrowsSoFarAndThenCompactsItself) {
  Log log = open();
  std::uint64_t largest = 0;
  for (std::uint32_t i = 1; i <= 1300; ++i) {
    ASSERT_TRUE(put(log, 1, i));
    largest = std::max(largest, *log.size_bytes());
  }
  EXPECT_LE(largest, kMiB) << "the state is small";
  Log fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments, (Segments{{1, 1300}}));
}

// By bytes: every record takes a block of its own, and in a checkpoint a hundred entries share one.
TEST_F(LogTest, IsAtMostFourTimesItsCheckpointHoweverManyEntriesThereAre) {
  Log log = open();
  ASSERT_TRUE(log.update([&](const State&) -> Result<format::Transaction> {
    format::Transaction transaction;
    for (std::uint32_t i = 1; i <= 30'000; ++i) transaction.emplace_back(SegmentRecord{i, i});
    return transaction;
  }));
  std::uint64_t largest = 0;
  bool compacted = false;
  for (std::uint32_t i = 1; !compacted && i <= 1000; ++i) {
    ASSERT_TRUE(put(log, 1, i));
    compacted = *log.size_bytes() < largest;
    largest = std::max(largest, *log.size_bytes());
  }
  ASSERT_TRUE(compacted);
  const std::uint64_t checkpoint = *log.size_bytes();
  EXPECT_LE(largest, 4 * checkpoint + kLogBlockBytes);
  EXPECT_GE(largest, 3 * checkpoint) << "not more often than that";
}

TEST_F(LogTest, ACheckpointOfManyRecordsIsReadBack) {
  Log log = open();
  for (std::uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(log.update([&](const State&) -> Result<format::Transaction> {
      format::Transaction transaction;
      for (std::uint32_t k = 1; k <= 1000; ++k) {
        transaction.emplace_back(SegmentRecord{i * 1000 + k, k});
      }
      return transaction;
    }));
  }
  ASSERT_TRUE(put(log, 5000, 1));
  ASSERT_TRUE(log.checkpoint(true));
  Log fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments.size(), 5000U);
  EXPECT_EQ(fresh.state()->segments, log.state()->segments);
}

// At every operation of a checkpoint, and whatever the cut leaves, there is a log.
TEST_F(LogTest, APowerCutDuringACheckpointLosesNothing) {
  for (std::uint64_t cut = 0;; ++cut) {
    sim::SimulatedEnv env;
    LogProcess::create(env);
    LogProcess before(env);
    for (std::uint32_t i = 1; i <= 8; ++i) must(put(before.log, 1, i));
    env.set_crash_after(env.mutations() + cut);
    const bool done = before.log.checkpoint(true).has_value();
    std::uint64_t visited = 0;
    env.crash_states(200, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      LogProcess opened(*after);
      const Status read = opened.log.refresh();
      EXPECT_TRUE(read) << "cut " << cut << ": " << what;
      if (!read) return false;
      EXPECT_EQ(opened.log.state()->segments, (Segments{{1, 8}})) << "cut " << cut << ": " << what;
      EXPECT_TRUE(opened.log.check()) << "cut " << cut << ": " << what;
      EXPECT_TRUE(put(opened.log, 2, 2)) << "cut " << cut << ": " << what;
      EXPECT_TRUE(opened.log.checkpoint(true)) << "cut " << cut << ": " << what;
      ++visited;
      return !testing::Test::HasFailure();
    });
    EXPECT_GT(visited, 0U);
    if (done || HasFailure()) break;
  }
}

// The name of the file that a checkpoint made is as durable as what is appended to it.
TEST_F(LogTest, WhatFollowsACheckpointSurvivesAPowerCut) {
  Log log = open();
  ASSERT_TRUE(put(log, 1, 1));
  ASSERT_TRUE(put(log, 1, 2));
  ASSERT_TRUE(log.checkpoint(true));
  ASSERT_TRUE(put(log, 2, 3));
  env_.crash_states(200, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
    LogProcess opened(*after);
    EXPECT_TRUE(opened.log.refresh()) << what;
    EXPECT_EQ(opened.log.state()->segments, (Segments{{1, 2}, {2, 3}})) << what;
    return !testing::Test::HasFailure();
  });
}

// A failed write or flush leaves the record in doubt: this process appends no more.
TEST_F(LogTest, AfterAFailedFlushItRefusesToAppend) {
  std::uint32_t id = 1;
  for (const auto kind : {sim::OpKind::kFlush, sim::OpKind::kWrite}) {
    Log log = open();
    ASSERT_TRUE(put(log, id++, 1));
    env_.inject({.kinds = {kind}, .path = "/disks/7/log"});
    const auto failed = put(log, id, 2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::kIo);
    EXPECT_FALSE(words_of(failed.error()).empty());
    EXPECT_FALSE(log.state()->segments.contains(id++)) << "not told as done";
    const auto before = env_.mutations();
    EXPECT_FALSE(put(log, id++, 3)) << "the medium works again, and yet";
    EXPECT_FALSE(log.checkpoint(true));
    EXPECT_EQ(env_.mutations(), before) << "nothing is written";
    Log next = open();
    EXPECT_TRUE(put(next, id++, 4)) << "another process goes on";
  }
}

// This process's flush covers the previous record, even if the flush of its writer failed.
TEST_F(LogTest, WhatAnotherProcessMayNotHaveFlushedIsWrittenAgain) {
  Log ours = open();
  ASSERT_TRUE(put(ours, 1, 1));
  Log theirs = open();
  env_.inject({.kinds = {sim::OpKind::kFlush},
               .path = "/disks/7/log",
               .flush_loss = sim::FlushLoss::kCacheOnly});
  ASSERT_FALSE(put(theirs, 2, 2));
  // The record is readable, and no flush will ever make it durable.
  ASSERT_TRUE(put(ours, 3, 3));
  ASSERT_TRUE(ours.state()->segments.contains(2));
  env_.crash_states(100, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
    LogProcess opened(*after);
    const Status read = opened.log.refresh();
    EXPECT_TRUE(read) << what;
    if (!read) return false;
    EXPECT_EQ(opened.log.state()->segments, (Segments{{1, 1}, {2, 2}, {3, 3}})) << what;
    return !testing::Test::HasFailure();
  });
}

TEST_F(LogTest, WhatWasReadIsDurableAfterSettle) {
  Log dying = open();
  env_.inject({.kinds = {sim::OpKind::kFlush}, .path = "/disks/7/log"});
  ASSERT_FALSE(put(dying, 1, 1));
  Log next = open();
  ASSERT_TRUE(next.make_last_record_durable());
  ASSERT_TRUE(next.state()->segments.contains(1));
  const auto before = env_.mutations();
  ASSERT_TRUE(next.make_last_record_durable());
  EXPECT_EQ(env_.mutations(), before) << "once is enough";
  env_.crash_states(100, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
    LogProcess opened(*after);
    const Status read = opened.log.refresh();
    EXPECT_TRUE(read) << what;
    if (!read) return false;
    EXPECT_EQ(opened.log.state()->segments, (Segments{{1, 1}})) << what;
    return !testing::Test::HasFailure();
  });
}

// Behind one record and more: the tail is blank at first.
class LogCut : public LogTest, public testing::WithParamInterface<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Behind, LogCut, testing::Values(0, 1, 2, 3));

TEST_P(LogCut, AtEveryMomentOfAnAppendTheRecordIsThereOrNot) {
  const std::uint64_t earlier = GetParam();
  for (std::uint64_t cut = 0;; ++cut) {
    sim::SimulatedEnv env;
    LogProcess::create(env);
    LogProcess before(env);
    for (std::uint64_t i = 0; i <= earlier; ++i) must(put(before.log, 1, i));
    env.set_crash_after(env.mutations() + cut);
    const bool done = before.log
                          .update([](const State&) -> Result<format::Transaction> {
                            format::Transaction transaction(300, SegmentRecord{2, 2});
                            transaction.emplace_back(SegmentRecord{3, 3});
                            return transaction;
                          })
                          .has_value();
    const bool cut_off = env.power_is_off();
    env.crash_states(300, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      LogProcess opened(*after);
      const Status read = opened.log.refresh();
      EXPECT_TRUE(read) << "cut " << cut << ": " << what;
      if (!read) return false;
      const auto segments = opened.log.state()->segments;
      const bool there = segments.contains(2);
      EXPECT_EQ(segments.contains(3), there) << "in part";
      EXPECT_TRUE(segments.contains(1));
      EXPECT_TRUE(there || !done) << "acknowledged, and lost: " << what;
      EXPECT_TRUE(opened.log.check()) << "a power cut is no damage: " << what;
      EXPECT_TRUE(put(opened.log, 4, 4)) << what;
      return !testing::Test::HasFailure();
    });
    if (!cut_off || HasFailure()) break;
  }
}

}  // namespace
}  // namespace blkrewind::store
