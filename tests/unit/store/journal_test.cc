#include "store/journal.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using format::kJournalBlockBytes;
using format::kJournalRecordsOffset;
using format::SegmentRecord;

class JournalTest : public StoreTest {
 protected:
  Journal open() { return Journal(env_, Layout(kPath), store_->header()); }
  std::string path() const { return Layout(kPath).journal(); }

  static Status put(Journal& journal, std::uint32_t id, std::uint64_t live_bytes) {
    return journal.update([&](const State&) -> Result<format::Transaction> {
      return format::Transaction{SegmentRecord{id, live_bytes}};
    });
  }
  // Record `number` (from 0), each of one block, gets a flipped byte.
  void damage(std::uint64_t number, std::uint64_t at = 100) {
    std::byte byte =
        env_.contents(path()).at(kJournalRecordsOffset + number * kJournalBlockBytes + at);
    byte ^= std::byte{1};
    env_.poke(path(), kJournalRecordsOffset + number * kJournalBlockBytes + at, {&byte, 1});
  }
  void forget_tail() {
    const std::vector<std::byte> zeroes(kJournalBlockBytes);
    env_.poke(path(), format::kJournalTailOffset, zeroes);
  }
};

using Segments = PersistentMap<format::SegmentId, std::uint64_t>;

TEST_F(JournalTest, ReplaysWhatWasAppended) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, 10));
  ASSERT_TRUE(put(journal, 2, 20));
  ASSERT_TRUE(put(journal, 1, 11));
  EXPECT_EQ(journal.state()->segments, (Segments{{1, 11}, {2, 20}}));
  Journal again = open();
  EXPECT_TRUE(again.state()->segments.empty()) << "nothing before the first refresh";
  ASSERT_TRUE(again.refresh());
  EXPECT_EQ(again.state()->segments, journal.state()->segments);
  EXPECT_EQ(*again.size_bytes(), kJournalRecordsOffset + 3 * kJournalBlockBytes);
}

TEST_F(JournalTest, IsDurableWhenUpdateReturns) {
  Journal journal = open();
  for (std::uint32_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(put(journal, i, i));
    const auto crashed = env_.crash(i);
    const auto after = must(Store::open(*crashed, kPath));
    EXPECT_EQ(after->state()->segments.size(), i);
  }
}

TEST_F(JournalTest, TwoOfThemSeeEachOther) {
  Journal a = open();
  Journal b = open();
  for (std::uint32_t i = 0; i < 20; ++i) {
    Journal& one = i % 3 == 0 ? a : b;
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

TEST_F(JournalTest, AStateNeverChangesUnderItsHolder) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, 1));
  const auto held = journal.state();
  ASSERT_TRUE(put(journal, 2, 2));
  EXPECT_EQ(held->segments.size(), 1U);
  EXPECT_EQ(journal.state()->segments.size(), 2U);
}

TEST_F(JournalTest, AnEmptyTransactionOrAFailedBuildAppendsNothing) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, 1));
  const std::uint64_t size = *journal.size_bytes();
  const auto before = env_.mutations();
  ASSERT_TRUE(journal.update([](const State&) { return format::Transaction{}; }));
  const auto refused = journal.update([](const State&) -> Result<format::Transaction> {
    return fail(Errc::kAlreadyExists, "taken");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kAlreadyExists);
  EXPECT_EQ(env_.mutations(), before);
  EXPECT_EQ(*journal.size_bytes(), size);
  EXPECT_TRUE(put(journal, 2, 2)) << "a refusal breaks nothing";
}

TEST_F(JournalTest, ReadingTakesNoLockAndWritesNothing) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, 1));
  const auto lock =
      must(env_.lock(Layout(kPath).format(), Layout::kJournalLock, io::LockMode::kExclusive));
  const auto before = env_.mutations();
  Journal reader = open();
  EXPECT_TRUE(reader.refresh());
  EXPECT_EQ(reader.state()->segments.size(), 1U);
  EXPECT_EQ(env_.mutations(), before);
}

TEST_F(JournalTest, ATornLastRecordIsNotThereAndIsOverwritten) {
  Journal journal = open();
  ASSERT_TRUE(put(journal, 1, 1));
  // A power cut while a record of three blocks is written: two of them are written.
  Journal dying = open();
  env_.inject({.kinds = {sim::OpKind::kWrite},
               .path = "/journal",
               .applied_bytes = 2 * kJournalBlockBytes});
  ASSERT_FALSE(dying.update([](const State&) -> Result<format::Transaction> {
    return format::Transaction(500, SegmentRecord{7, 7});
  }));
  Journal after = open();
  ASSERT_TRUE(after.refresh());
  EXPECT_EQ(after.state()->segments, (Segments{{1, 1}}));
  ASSERT_TRUE(put(after, 2, 2));
  ASSERT_TRUE(put(after, 3, 3));
  Journal last = open();
  ASSERT_TRUE(last.refresh());
  EXPECT_EQ(last.state()->segments, (Segments{{1, 1}, {2, 2}, {3, 3}}));
}

TEST_F(JournalTest, ALostRecordInTheMiddleIsNoticed) {
  Journal journal = open();
  for (std::uint32_t i = 1; i <= 4; ++i) ASSERT_TRUE(put(journal, i, i));
  damage(1);
  for (const bool tail : {true, false}) {
    if (!tail) forget_tail();
    Journal after = open();
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

TEST_F(JournalTest, ALostLastRecordIsNoticedByTheTail) {
  Journal journal = open();
  for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(journal, i, i));
  damage(2);
  Journal after = open();
  const auto read = after.refresh();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kIntegrity);
  // Without a tail it is a torn append.
  forget_tail();
  Journal torn = open();
  ASSERT_TRUE(torn.refresh());
  EXPECT_EQ(torn.state()->segments.size(), 2U);
}

TEST_F(JournalTest, ATruncatedJournalIsNoticed) {
  Journal journal = open();
  for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(journal, i, i));
  for (const std::uint64_t size :
       {kJournalRecordsOffset + 2 * kJournalBlockBytes, kJournalRecordsOffset + 512,
        kJournalRecordsOffset, std::uint64_t{4096}, std::uint64_t{100}, std::uint64_t{0}}) {
    const auto whole = env_.contents(path());
    env_.set_size(path(), size);
    Journal after = open();
    const auto read = after.refresh();
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Errc::kIntegrity) << size;
    EXPECT_FALSE(words_of(read.error()).empty());
    env_.poke(path(), 0, whole);
  }
}

TEST_F(JournalTest, ABitFlippedAnywhereInARecordIsNoticed) {
  Journal journal = open();
  for (std::uint32_t i = 1; i <= 2; ++i) ASSERT_TRUE(put(journal, i, i));
  for (std::uint64_t at = 0; at < kJournalBlockBytes; at += 61) {
    damage(0, at);
    Journal after = open();
    EXPECT_FALSE(after.refresh()) << at;
    damage(0, at);
  }
  Journal whole = open();
  EXPECT_TRUE(whole.refresh());
}

TEST_F(JournalTest, ACheckpointKeepsTheStateAndShrinksTheFile) {
  Journal journal = open();
  Journal other = open();
  for (std::uint32_t i = 1; i <= 30; ++i) ASSERT_TRUE(put(journal, 1 + i % 3, i));
  ASSERT_TRUE(other.refresh());
  EXPECT_FALSE(*journal.checkpoint(false)) << "it has not grown enough";
  const auto before = journal.state()->segments;
  EXPECT_TRUE(*journal.checkpoint(true));
  EXPECT_EQ(*journal.size_bytes(), kJournalRecordsOffset + kJournalBlockBytes);
  EXPECT_EQ(journal.state()->segments, before);
  EXPECT_FALSE(*journal.checkpoint(true)) << "it is as short as it can be";
  EXPECT_FALSE(*env_.exists(path() + ".new"));

  // Another process has the old file open: it finds the new one, and appends to that.
  ASSERT_TRUE(put(other, 9, 9));
  ASSERT_TRUE(put(journal, 10, 10));
  ASSERT_TRUE(other.refresh());
  EXPECT_EQ(other.state()->segments.size(), 5U);
  Journal fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments, other.state()->segments);
  EXPECT_EQ(fresh.state()->segments, journal.state()->segments);
}

TEST_F(JournalTest, GrowsSoFarAndThenCompactsItself) {
  Journal journal = open();
  std::uint64_t largest = 0;
  for (std::uint32_t i = 1; i <= 1300; ++i) {
    ASSERT_TRUE(put(journal, 1, i));
    largest = std::max(largest, *journal.size_bytes());
  }
  EXPECT_LE(largest, kMiB) << "the state is small";
  Journal fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments, (Segments{{1, 1300}}));
}

// By bytes: every record takes a block of its own, and in a checkpoint a hundred entries share one.
TEST_F(JournalTest, IsAtMostFourTimesItsCheckpointHoweverManyEntriesThereAre) {
  Journal journal = open();
  ASSERT_TRUE(journal.update([&](const State&) -> Result<format::Transaction> {
    format::Transaction transaction;
    for (std::uint32_t i = 1; i <= 30'000; ++i) transaction.emplace_back(SegmentRecord{i, i});
    return transaction;
  }));
  std::uint64_t largest = 0;
  bool compacted = false;
  for (std::uint32_t i = 1; !compacted && i <= 1000; ++i) {
    ASSERT_TRUE(put(journal, 1, i));
    compacted = *journal.size_bytes() < largest;
    largest = std::max(largest, *journal.size_bytes());
  }
  ASSERT_TRUE(compacted);
  const std::uint64_t checkpoint = *journal.size_bytes();
  EXPECT_LE(largest, 4 * checkpoint + kJournalBlockBytes);
  EXPECT_GE(largest, 3 * checkpoint) << "not more often than that";
}

TEST_F(JournalTest, ACheckpointOfManyRecordsIsReadBack) {
  Journal journal = open();
  for (std::uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(journal.update([&](const State&) -> Result<format::Transaction> {
      format::Transaction transaction;
      for (std::uint32_t k = 1; k <= 1000; ++k) {
        transaction.emplace_back(SegmentRecord{i * 1000 + k, k});
      }
      return transaction;
    }));
  }
  ASSERT_TRUE(put(journal, 5000, 1));
  ASSERT_TRUE(journal.checkpoint(true));
  Journal fresh = open();
  ASSERT_TRUE(fresh.refresh());
  EXPECT_EQ(fresh.state()->segments.size(), 5000U);
  EXPECT_EQ(fresh.state()->segments, journal.state()->segments);
}

// At every operation of a checkpoint, and whatever the cut leaves, there is a journal.
TEST_F(JournalTest, APowerCutDuringACheckpointLosesNothing) {
  for (std::uint64_t cut = 0;; ++cut) {
    sim::SimulatedEnv env;
    must(Store::create(env, kPath));
    auto store = must(Store::open(env, kPath));
    for (std::uint32_t i = 1; i <= 8; ++i) must(put(store->journal(), 1, i));
    env.set_crash_after(env.mutations() + cut);
    const bool done = store->journal().checkpoint(true).has_value();
    std::uint64_t visited = 0;
    env.crash_states(200, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      auto opened = Store::open(*after, kPath);
      EXPECT_TRUE(opened) << "cut " << cut << ": " << what;
      if (!opened) return false;
      EXPECT_EQ((*opened)->state()->segments, (Segments{{1, 8}})) << "cut " << cut << ": " << what;
      EXPECT_TRUE(put((*opened)->journal(), 2, 2)) << "cut " << cut << ": " << what;
      EXPECT_TRUE((*opened)->journal().checkpoint(true)) << "cut " << cut << ": " << what;
      ++visited;
      return !testing::Test::HasFailure();
    });
    EXPECT_GT(visited, 0U);
    if (done || HasFailure()) break;
  }
}

// A failed write or flush leaves the record in doubt: this process appends no more.
TEST_F(JournalTest, AfterAFailedFlushItRefusesToAppend) {
  std::uint32_t id = 1;
  for (const auto kind : {sim::OpKind::kFlush, sim::OpKind::kWrite}) {
    Journal journal = open();
    ASSERT_TRUE(put(journal, id++, 1));
    env_.inject({.kinds = {kind}, .path = "/journal"});
    const auto failed = put(journal, id, 2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::kIo);
    EXPECT_FALSE(words_of(failed.error()).empty());
    EXPECT_FALSE(journal.state()->segments.contains(id++)) << "not told as done";
    const auto before = env_.mutations();
    EXPECT_FALSE(put(journal, id++, 3)) << "the medium works again, and yet";
    EXPECT_FALSE(journal.checkpoint(true));
    EXPECT_EQ(env_.mutations(), before) << "nothing is written";
    Journal next = open();
    EXPECT_TRUE(put(next, id++, 4)) << "another process goes on";
  }
}

// This process's flush covers the previous record, even if the flush of its writer failed.
TEST_F(JournalTest, WhatAnotherProcessMayNotHaveFlushedIsWrittenAgain) {
  Journal ours = open();
  ASSERT_TRUE(put(ours, 1, 1));
  Journal theirs = open();
  env_.inject({.kinds = {sim::OpKind::kFlush},
               .path = "/journal",
               .flush_loss = sim::FlushLoss::kCacheOnly});
  ASSERT_FALSE(put(theirs, 2, 2));
  // The record is readable, and no flush will ever make it durable.
  ASSERT_TRUE(put(ours, 3, 3));
  ASSERT_TRUE(ours.state()->segments.contains(2));
  env_.crash_states(100, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
    auto opened = Store::open(*after, kPath);
    EXPECT_TRUE(opened) << what;
    if (!opened) return false;
    EXPECT_EQ((*opened)->state()->segments, (Segments{{1, 1}, {2, 2}, {3, 3}})) << what;
    return !testing::Test::HasFailure();
  });
}

TEST_F(JournalTest, WhatWasReadIsDurableAfterSettle) {
  Journal dying = open();
  env_.inject({.kinds = {sim::OpKind::kFlush}, .path = "/journal"});
  ASSERT_FALSE(put(dying, 1, 1));
  Journal next = open();
  ASSERT_TRUE(next.make_last_record_durable());
  ASSERT_TRUE(next.state()->segments.contains(1));
  const auto before = env_.mutations();
  ASSERT_TRUE(next.make_last_record_durable());
  EXPECT_EQ(env_.mutations(), before) << "once is enough";
  env_.crash_states(100, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
    auto opened = Store::open(*after, kPath);
    EXPECT_TRUE(opened) << what;
    if (!opened) return false;
    EXPECT_EQ((*opened)->state()->segments, (Segments{{1, 1}})) << what;
    return !testing::Test::HasFailure();
  });
}

TEST_F(JournalTest, AtEveryCutOfAnAppendTheRecordIsThereOrNot) {
  for (std::uint64_t cut = 0;; ++cut) {
    sim::SimulatedEnv env;
    must(Store::create(env, kPath));
    auto store = must(Store::open(env, kPath));
    must(put(store->journal(), 1, 1));
    env.set_crash_after(env.mutations() + cut);
    const bool done = store->journal()
                          .update([](const State&) -> Result<format::Transaction> {
                            format::Transaction transaction(300, SegmentRecord{2, 2});
                            transaction.emplace_back(SegmentRecord{3, 3});
                            return transaction;
                          })
                          .has_value();
    const bool cut_off = env.power_is_off();
    env.crash_states(300, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      auto opened = Store::open(*after, kPath);
      EXPECT_TRUE(opened) << "cut " << cut << ": " << what;
      if (!opened) return false;
      const auto segments = (*opened)->state()->segments;
      const bool there = segments.contains(2);
      EXPECT_EQ(segments.contains(3), there) << "in part";
      EXPECT_TRUE(segments.contains(1));
      EXPECT_TRUE(there || !done) << "acknowledged, and lost: " << what;
      EXPECT_TRUE(put((*opened)->journal(), 4, 4)) << what;
      return !testing::Test::HasFailure();
    });
    if (!cut_off || HasFailure()) break;
  }
}

}  // namespace
}  // namespace blkrewind::store
