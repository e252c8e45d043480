// State, and which snapshots share extents: compared with a model.
#include "store/state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "format/record_codec.h"
#include "store/lineage.h"
#include "support/simulated_random.h"
#include "unit/format/samples.h"

namespace blkrewind::store {
namespace {

using format::SnapshotNumber;
using format::SnapshotRecord;
using format::SnapshotState;

SnapshotRecord snapshot(SnapshotNumber number, std::vector<SnapshotNumber> kin = {},
                        SnapshotState state = SnapshotState::kAccomplished) {
  SnapshotRecord record;
  record.number = number;
  record.disk = 1;
  record.state = state;
  record.kin = std::move(kin);
  return record;
}

State state_of(const std::vector<SnapshotRecord>& records) {
  State state;
  for (const auto& record : records) state.apply(format::JournalEntry{record});
  return state;
}

std::vector<SnapshotNumber> numbers(const State& state) {
  std::vector<SnapshotNumber> all;
  for (const auto& [number, record] : state.snapshots) all.push_back(number);
  return all;
}

using Numbers = std::vector<SnapshotNumber>;

TEST(State, PutsReplaceAndRemovalsRemove) {
  State state;
  format::DiskRecord disk = format::full_disk();
  const format::IntentRecord intent{disk.number, "R", 1, 2, 3};
  state.apply(format::Transaction{disk, format::full_snapshot(), intent,
                                  format::SegmentRecord{1, 10}, format::SegmentRecord{2, 20}});
  disk.path = "/dev/other";
  state.apply(format::Transaction{disk, format::SegmentRecord{1, 9}});
  ASSERT_NE(state.disk(disk.number), nullptr);
  EXPECT_EQ(state.disk(disk.number)->path, "/dev/other");
  EXPECT_EQ(*state.intents.get(disk.number), intent);
  EXPECT_EQ(*state.segments.get(1), 9U);
  EXPECT_EQ(*state.snapshot(31), format::full_snapshot());
  EXPECT_EQ(state.entry_count(), 1U + 1 + 1 + 2 + 1);
  state.apply(format::Transaction{format::DiskRemoved{disk.number}, format::SnapshotRemoved{31},
                                  format::IntentRemoved{disk.number}, format::SegmentRemoved{1},
                                  format::SegmentRemoved{99}});
  EXPECT_EQ(state.disk(disk.number), nullptr);
  EXPECT_EQ(state.snapshot(31), nullptr);
  EXPECT_TRUE(state.intents.empty());
  EXPECT_EQ(state.segments.size(), 1U);
  EXPECT_EQ(*state.segments.get(2), 20U);
}

// What is told of a disk or a snapshot never outlives it.
TEST(State, NotesGoWithWhatTheyAreOf) {
  const auto noted = [](SnapshotState state) {
    State now;
    format::SnapshotRecord snapshot = format::full_snapshot();
    now.apply(format::Transaction{format::full_disk(), snapshot, format::full_reset(),
                                  format::full_clock(), format::full_note(), format::full_token()});
    snapshot.state = state;
    now.apply(snapshot);
    return now;
  };
  for (const auto kept :
       {SnapshotState::kProgressing, SnapshotState::kAccomplished, SnapshotState::kFailed}) {
    const State state = noted(kept);
    EXPECT_EQ(*state.resets.get(11), format::full_reset());
    EXPECT_EQ(*state.clocks.get(11), format::full_clock());
    EXPECT_EQ(*state.notes.get(31), format::full_note());
    EXPECT_EQ(*state.tokens.get(31), format::full_token());
    EXPECT_EQ(state.entry_count(), 1U + 6);
  }
  for (const auto gone : {SnapshotState::kDeleting, SnapshotState::kTombstone}) {
    const State state = noted(gone);
    EXPECT_TRUE(state.notes.empty());
    EXPECT_TRUE(state.tokens.empty());
    EXPECT_EQ(state.resets.size(), 1U);
  }
  State state = noted(SnapshotState::kAccomplished);
  state.apply(format::TokenRemoved{31});
  EXPECT_TRUE(state.tokens.empty());
  EXPECT_EQ(state.notes.size(), 1U);
  state.apply(format::full_token());
  state.apply(format::SnapshotRemoved{31});
  EXPECT_TRUE(state.notes.empty());
  EXPECT_TRUE(state.tokens.empty());
  state.apply(format::DiskRemoved{11});
  EXPECT_TRUE(state.resets.empty());
  EXPECT_TRUE(state.clocks.empty());
  EXPECT_EQ(state.put_bytes(), format::encoded_bytes(format::Counters{}));
}

// A clone's own segments have numbers above those that it shares.
TEST(State, OriginAndHoldsComeAndGo) {
  const format::OriginRecord origin = format::full_origin();
  format::DiskRecord clone = format::full_disk();
  clone.number = origin.disk;
  State state;
  state.apply(
      format::Transaction{clone, origin, format::HoldRecord{70, 31}, format::HoldRecord{71, 31}});
  EXPECT_EQ(*state.origins.get(origin.disk), origin);
  EXPECT_EQ(state.counters.next_segment, 57U);
  EXPECT_EQ(state.entry_count(), 1U + 4);
  State again;
  again.apply(state.as_puts());
  EXPECT_EQ(again.as_puts(), state.as_puts());
  EXPECT_EQ(again.put_bytes(), state.put_bytes());
  EXPECT_TRUE(state.has_own_segments(origin.disk));
  state.apply(format::SegmentRecord{57, 0});
  EXPECT_TRUE(state.has_own_segments(origin.disk));
  again.apply(format::SegmentRecord{56, 0});
  EXPECT_FALSE(again.has_own_segments(origin.disk));
  EXPECT_TRUE(again.has_own_segments(origin.disk + 1)) << "another disk's origin says nothing";
  state.apply(format::Transaction{format::HoldRemoved{70}, format::DiskRemoved{origin.disk}});
  EXPECT_TRUE(state.origins.empty());
  EXPECT_EQ(*state.holds.get(71), (format::HoldRecord{71, 31}));
  EXPECT_EQ(state.holds.size(), 1U);
}

TEST(State, CountersOnlyGrow) {
  State state;
  state.apply(format::Counters{5, 6, 7});
  state.apply(format::Counters{3, 9, 1});
  EXPECT_EQ(state.counters, (format::Counters{5, 9, 7}));
}

TEST(State, AsPutsGivesTheStateAgainAndTwiceIsOnce) {
  State state;
  state.apply(format::Transaction{
      format::full_disk(), format::full_snapshot(), format::IntentRecord{11, "R", 1, 2, 3},
      format::SegmentRecord{4, 40}, format::Counters{12, 32, 5}, format::full_reset(),
      format::full_clock(), format::full_note(), format::full_token()});
  const format::Transaction puts = state.as_puts();
  EXPECT_EQ(puts.size(), state.entry_count());
  State again;
  for (int i = 0; i < 2; ++i) {
    again.apply(puts);
    EXPECT_EQ(again.disks, state.disks);
    EXPECT_EQ(again.snapshots, state.snapshots);
    EXPECT_EQ(again.intents, state.intents);
    EXPECT_EQ(again.segments, state.segments);
    EXPECT_EQ(again.resets, state.resets);
    EXPECT_EQ(again.clocks, state.clocks);
    EXPECT_EQ(again.notes, state.notes);
    EXPECT_EQ(again.tokens, state.tokens);
    EXPECT_EQ(again.counters, state.counters);
  }
}

// The size of a checkpoint is known without writing it.
TEST(State, PutBytesAreThoseOfItsPuts) {
  State state;
  const auto expect_counted = [&] {
    format::ByteWriter writer;
    for (const format::JournalEntry& put : state.as_puts()) format::encode_entry(put, writer);
    EXPECT_EQ(state.put_bytes(), writer.bytes().size());
  };
  expect_counted();
  format::DiskRecord disk = format::full_disk();
  state.apply(format::Transaction{
      disk, format::full_snapshot(), format::IntentRecord{11, "R", 1, 2, 3},
      format::SegmentRecord{4, 40}, format::Counters{12, 32, 5}, format::full_reset(),
      format::full_clock(), format::full_note(), format::full_token()});
  expect_counted();
  disk.identity.below.emplace_back().md_uuid = "below";
  disk.path += "/longer";
  format::SnapshotRecord snapshot = format::full_snapshot();
  snapshot.kin.clear();
  snapshot.name.clear();
  state.apply(format::Transaction{disk, snapshot, format::SegmentRecord{4, 39}});
  expect_counted();
  state.apply(format::Transaction{format::IntentRemoved{11}, format::IntentRemoved{12},
                                  format::SnapshotRemoved{snapshot.number},
                                  format::SegmentRemoved{4}, format::DiskRemoved{disk.number}});
  expect_counted();
}

TEST(HoldersNear, StopAtHoldersAndGoThroughTheRest) {
  const State state = state_of({snapshot(1), snapshot(2, {1}), snapshot(3, {2}),
                                snapshot(4, {3}, SnapshotState::kTombstone), snapshot(5, {4}),
                                snapshot(6, {4}, SnapshotState::kDeleting), snapshot(7, {6}),
                                snapshot(8, {99}), snapshot(9)});
  EXPECT_EQ(state.holders_near(1), (Numbers{2}));
  EXPECT_EQ(state.holders_near(2), (Numbers{1, 3})) << "both directions";
  EXPECT_EQ(state.holders_near(3), (Numbers{2, 5, 7})) << "through a tombstone and a deleting one";
  EXPECT_EQ(state.holders_near(7), (Numbers{3, 5}));
  EXPECT_EQ(state.holders_near(6), (Numbers{3, 5, 7}));
  EXPECT_TRUE(state.holders_near(8).empty()) << "a kin that is not there";
  EXPECT_TRUE(state.holders_near(9).empty());
  EXPECT_TRUE(state.holders_near(42).empty());
}

TEST(HoldersNear, ACircleEnds) {
  const State state = state_of({snapshot(1, {}, SnapshotState::kTombstone),
                                snapshot(2, {1}, SnapshotState::kTombstone), snapshot(3, {1, 2})});
  EXPECT_TRUE(state.holders_near(3).empty());
}

TEST(RemoveFromLineage, JoinsTheNeighboursOfAChain) {
  State state = state_of({snapshot(1), snapshot(2, {1}), snapshot(3, {2})});
  state.apply(remove_from_lineage(state, 2));
  EXPECT_EQ(numbers(state), (Numbers{1, 3}));
  EXPECT_EQ(state.snapshot(3)->kin, (Numbers{1}));
  state.apply(remove_from_lineage(state, 1));
  EXPECT_EQ(numbers(state), (Numbers{3}));
  EXPECT_TRUE(state.snapshot(3)->kin.empty());
  state.apply(remove_from_lineage(state, 3));
  EXPECT_TRUE(state.snapshots.empty());
}

TEST(RemoveFromLineage, LeavesATombstoneAtAJunctionUntilItIsNeedless) {
  State state = state_of({snapshot(1), snapshot(2, {1}), snapshot(3, {1}), snapshot(4, {1})});
  state.apply(remove_from_lineage(state, 1));
  ASSERT_NE(state.snapshot(1), nullptr);
  EXPECT_EQ(state.snapshot(1)->state, SnapshotState::kTombstone);
  EXPECT_EQ(state.holders_near(2), (Numbers{3, 4}));
  state.apply(remove_from_lineage(state, 3));
  EXPECT_EQ(numbers(state), (Numbers{2, 4})) << "two are joined directly";
  EXPECT_EQ(state.holders_near(2), (Numbers{4}));
}

TEST(RemoveFromLineage, ATombstoneForgetsEverythingButItsKin) {
  SnapshotRecord named = snapshot(1);
  named.name = "before";
  named.id = "s-1";
  named.root = {format::EntryState::kStored, format::Codec::kNone, 1, 1, 4096, {1, 1}};
  State state = state_of({named, snapshot(2, {1}), snapshot(3, {1}), snapshot(4, {1})});
  state.apply(remove_from_lineage(state, 1));
  EXPECT_EQ(*state.snapshot(1), snapshot(1, {}, SnapshotState::kTombstone));
}

TEST(RemoveFromLineage, SaysNothingOfWhatStaysTheSame) {
  const State state = state_of({snapshot(1), snapshot(2, {1}), snapshot(3, {2}), snapshot(4)});
  const auto transaction = remove_from_lineage(state, 4);
  ASSERT_EQ(transaction.size(), 1U);
  EXPECT_TRUE(transaction.front() == format::JournalEntry{format::SnapshotRemoved{4}});
}

// As in a forged journal: every snapshot is kin of all that are near it.
TEST(RemoveFromLineage, ADenseGraphIsLeftByWritingTheNeighboursOnly) {
  constexpr SnapshotNumber kCount = 300;
  constexpr SnapshotNumber kKin = 40;
  std::vector<SnapshotRecord> records;
  for (SnapshotNumber number = 1; number <= kCount; ++number) {
    std::vector<SnapshotNumber> kin;
    for (SnapshotNumber near = number > kKin ? number - kKin : 1; near < number; ++near) {
      kin.push_back(near);
    }
    records.push_back(snapshot(number, kin));
  }
  for (const bool forwards : {true, false}) {
    State state = state_of(records);
    for (SnapshotNumber step = 0; step < kCount; ++step) {
      const SnapshotNumber gone = forwards ? step + 1 : kCount - step;
      const auto near = state.holders_near(gone);
      const Numbers edges = state.kin_of(gone);
      const auto transaction = remove_from_lineage(state, gone);
      // Its own record, one for each with an edge to it, and a tombstone.
      ASSERT_LE(transaction.size(), 2 + edges.size()) << gone;
      state.apply(transaction);
      for (const SnapshotNumber one : near) {
        ASSERT_EQ(state.holders_near(one).empty(), near.size() == 1) << one;
      }
    }
    EXPECT_TRUE(state.snapshots.empty());
  }
}

TEST(RemoveFromLineage, AnEarlierTombstoneStaysTheJunction) {
  State state = state_of({snapshot(1), snapshot(2, {1}), snapshot(3, {1}), snapshot(4, {1}),
                          snapshot(5, {4}), snapshot(6, {4})});
  state.apply(remove_from_lineage(state, 1));
  const auto transaction = remove_from_lineage(state, 4);
  state.apply(transaction);
  EXPECT_EQ(numbers(state), (Numbers{1, 2, 3, 5, 6}));
  EXPECT_EQ(transaction.size(), 3U) << "4 is removed, 5 and 6 are led to 1";
  EXPECT_EQ(state.holders_near(5), (Numbers{2, 3, 6}));
}

// Snapshots hold named extents, some of their lineage's and some of their own. Deleted in any
// order: an extent that a snapshot shares with any other is also shared with one near it, so an
// extent not found near it can be freed.
TEST(Kinship, NeverLosesWhoSharesWithWhom) {
  std::size_t all_tombstones = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::Random random(seed);
    State state;
    std::map<SnapshotNumber, std::vector<std::uint64_t>> held;  // live: place -> extent
    std::uint64_t extent = 0;
    SnapshotNumber next = 1;
    std::size_t shared = 0;
    std::size_t tombstones = 0;
    const auto any_live = [&] {
      auto at = held.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(random.below(held.size())));
      return at->first;
    };
    for (int step = 0; step < 120; ++step) {
      if (held.empty() || random.percent(step < 80 ? 60 : 25)) {
        SnapshotRecord record = snapshot(next);
        std::vector<std::uint64_t> extents(12);
        if (!held.empty() && !random.percent(5)) record.kin.push_back(any_live());
        if (!held.empty() && random.percent(30)) {
          const SnapshotNumber second = any_live();
          if (std::ranges::find(record.kin, second) == record.kin.end()) {
            record.kin.push_back(second);
          }
        }
        for (std::size_t place = 0; place < extents.size(); ++place) {
          const bool inherits = !record.kin.empty() && random.percent(80);
          extents[place] =
              inherits ? held.at(record.kin[random.below(record.kin.size())])[place] : ++extent;
        }
        state.apply(format::JournalEntry{record});
        held[next++] = extents;
      } else {
        const SnapshotNumber gone = any_live();
        if (random.percent(50)) {  // as a delete does: deleting for a while, then out
          SnapshotRecord deleting = *state.snapshot(gone);
          deleting.state = SnapshotState::kDeleting;
          state.apply(format::JournalEntry{deleting});
        }
        held.erase(gone);
        state.apply(remove_from_lineage(state, gone));
      }
      std::map<std::uint64_t, std::set<SnapshotNumber>> holders;
      for (const auto& [number, extents] : held) {
        for (const std::uint64_t one : extents) holders[one].insert(number);
      }
      for (const auto& [number, extents] : held) {
        const auto near = state.holders_near(number);
        for (const SnapshotNumber other : near) ASSERT_TRUE(held.contains(other)) << "a dead one";
        for (const std::uint64_t one : extents) {
          const auto& all = holders.at(one);
          if (all.size() == 1) continue;
          ++shared;
          ASSERT_TRUE(
              std::ranges::any_of(near, [&](SnapshotNumber other) { return all.contains(other); }))
              << "snapshot " << number << " after step " << step;
        }
      }
      std::size_t dead = 0;
      for (const auto& [number, record] : state.snapshots) {
        if (record.state != SnapshotState::kTombstone) continue;
        ++dead;
        ASSERT_FALSE(held.contains(number));
        const auto near = state.holders_near(number);
        ASSERT_GE(near.size(), 3U) << "a tombstone that connects nothing";
      }
      ASSERT_EQ(state.snapshots.size(), held.size() + dead);
      tombstones += dead;
    }
    EXPECT_GT(shared, 0U);
    all_tombstones += tombstones;
    while (!held.empty()) {
      const SnapshotNumber gone = held.begin()->first;
      held.erase(gone);
      state.apply(remove_from_lineage(state, gone));
    }
    EXPECT_TRUE(state.snapshots.empty()) << "no tombstone outlives the last snapshot";
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_GT(all_tombstones, 0U);
}

}  // namespace
}  // namespace blkrewind::store
