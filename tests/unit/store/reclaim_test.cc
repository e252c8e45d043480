// Deleting snapshots: it frees exactly what only they used, at any power cut.
#include "store/reclaim.h"

#include <gtest/gtest.h>

#include <cstring>

#include "store/lineage.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using format::SnapshotNumber;
using format::SnapshotState;

constexpr std::uint64_t kChunks = 300;  // three leaves and a root
const format::Geometry kGeometry{kChunks * 4096 - 100, 4096};

// The content of each existing snapshot: chunk -> seed of its bytes.
using Contents = std::map<std::uint64_t, std::uint64_t>;
using Snapshots = std::map<SnapshotNumber, Contents>;

AlignedBuffer bytes_of(std::uint64_t seed) {
  AlignedBuffer buffer(4096);
  sim::Random random(seed);
  for (std::byte& byte : buffer.span()) byte = static_cast<std::byte>(random.next());
  return buffer;
}

format::Entry write_chunk(History& history, io::Queue& queue, SegmentWriter& writer,
                          std::uint64_t chunk, std::uint64_t seed) {
  const auto placement = must(writer.reserve(4096));
  const AlignedBuffer bytes = bytes_of(seed);
  must(io::write_now(queue, *placement.file, {placement.block * format::kBlockBytes, 4096},
                     bytes.data()));
  const auto length = static_cast<std::uint32_t>(kGeometry.chunk_extent(chunk).length);
  return {format::EntryState::kStored,
          format::Codec::kNone,
          placement.segment,
          placement.block,
          length,
          digest_of(history.secret(), bytes.span().first(length), DigestDomain::kChunk, 0, chunk)};
}

// A snapshot that differs from its parent (0: from nothing) in `changes`; seed 0 is zero.
SnapshotNumber take(History& history, Snapshots& model, SnapshotNumber parent,
                    const Contents& changes) {
  const auto queue = must(history.env().make_queue({.depth = 8}));
  auto writer = must(history.make_writer());
  TreeReader reader(history.files(), *queue, history.secret(), writer.get());
  std::unique_ptr<TreeCursor> cursor;
  if (parent != 0) {
    cursor = std::make_unique<TreeCursor>(reader, tree_of(*history.state()->snapshot(parent)));
  }
  TreeBuilder builder(kGeometry, cursor.get(), *writer, *queue);
  Contents contents;
  if (parent != 0) contents = model.at(parent);
  for (std::uint64_t leaf = 0; leaf < kGeometry.leaf_count(); ++leaf) {
    format::Entries entries{};
    if (cursor != nullptr) {
      if (const auto* old = must(cursor->leaf(leaf))) entries = *old;
    }
    for (const auto& [chunk, seed] : changes) {
      if (chunk / format::kFanout != leaf) continue;
      format::Entry& entry = entries[chunk % format::kFanout];
      entry = seed == 0 ? format::Entry{} : write_chunk(history, *queue, *writer, chunk, seed);
      if (seed == 0) {
        contents.erase(chunk);
      } else {
        contents[chunk] = seed;
      }
    }
    must(builder.put(leaf, entries));
  }
  format::SnapshotRecord record;
  record.root = must(builder.finish());
  must(writer->seal(*queue));
  writer->keep();
  must(history.log().update([&](const State& state) -> Result<format::Transaction> {
    record.number = state.counters.next_snapshot;
    record.disk = 1;
    record.state = SnapshotState::kAccomplished;
    record.device_bytes = kGeometry.device_bytes;
    record.chunk_bytes = kGeometry.chunk_bytes;
    if (parent != 0) record.kin = {parent};
    format::Counters counters = state.counters;
    ++counters.next_snapshot;
    counters.next_segment = std::max(counters.next_segment, writer->next_segment());
    format::Transaction transaction = {record, counters};
    for (const auto& segment : writer->records()) transaction.emplace_back(segment);
    return transaction;
  }));
  model[record.number] = contents;
  return record.number;
}

Contents random_changes(sim::Random& random) {
  Contents changes;
  for (std::uint64_t i = random.below(15); i > 0; --i) {
    changes[random.below(kChunks)] = random.percent(20) ? 0 : random.next() | 1U;
  }
  return changes;
}

// Every existing snapshot is intact, and the segment table is correct.
void check(History& history, const Snapshots& model) {
  const auto state = history.state();
  const auto queue = must(history.env().make_queue({.depth = 8}));
  TreeReader reader(history.files(), *queue, history.secret());
  std::map<format::SegmentId, std::set<std::uint32_t>> used;
  std::set<SnapshotNumber> living;
  for (const auto& [number, record] : state->snapshots) {
    if (record.state == SnapshotState::kAccomplished) living.insert(number);
  }
  ASSERT_EQ(living.size(), model.size());
  for (const auto& [number, contents] : model) {
    ASSERT_TRUE(living.contains(number));
    const Tree tree = tree_of(*state->snapshot(number));
    std::size_t chunks = 0;
    for (const auto& [where, place] : extents_of(reader, tree)) {
      used[place.first].insert(place.second);
      if (where.first < 0) ++chunks;
    }
    ASSERT_EQ(chunks, contents.size());
    TreeCursor cursor(reader, tree);
    AlignedBuffer bytes(4096);
    for (const auto& [chunk, seed] : contents) {
      const format::Entry entry = must(cursor.entry(0, chunk));
      const auto file = must(history.files().get(entry.segment, *queue));
      must(io::read_now(*queue, *file, {entry.offset_bytes(), 4096}, bytes.data()));
      const AlignedBuffer expected = bytes_of(seed);
      ASSERT_EQ(std::memcmp(bytes.data(), expected.data(), entry.length_bytes), 0)
          << "snapshot " << number << ", chunk " << chunk;
    }
  }
  PersistentMap<format::SegmentId, std::uint64_t> truth;
  for (const auto& [segment, blocks] : used) truth.put(segment, blocks.size() * 4096);
  ASSERT_EQ(state->segments, truth);
}

class ReclaimTest : public StoreTest {
 protected:
  // The space of the segments on the file system, without the blocks of their headers.
  std::uint64_t allocated(std::size_t& files) {
    std::uint64_t bytes = 0;
    const auto names = must(env_.list_directory(layout_.segments(1)));
    files = names.size();
    for (const auto& name : names) {
      bytes += must(env_.allocated_bytes(layout_.segments(1) + "/" + name));
    }
    return bytes - files * 4096;
  }
};

class RandomDeletes : public ReclaimTest, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(RandomDeletes, FreeExactlyWhatNoOtherSnapshotUses) {
  sim::Random random(GetParam());
  Snapshots model;
  const auto any = [&] {
    auto at = model.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random.below(model.size())));
    return at->first;
  };
  for (int step = 0; step < 40; ++step) {
    if (model.empty() || random.percent(step < 25 ? 65 : 25)) {
      const SnapshotNumber parent = model.empty() || random.percent(5) ? 0 : any();
      take(*history_, model, parent, random_changes(random));
    } else {
      const SnapshotNumber gone = any();
      std::uint64_t before = 0;
      for (const auto held = history_->state(); const auto& [id, live] : held->segments)
        before += live;
      const auto freed = delete_snapshot(*history_, gone);
      ASSERT_TRUE(freed) << freed.error().to_string();
      model.erase(gone);
      std::uint64_t after = 0;
      for (const auto held = history_->state(); const auto& [id, live] : held->segments)
        after += live;
      EXPECT_EQ(*freed, before - after);
      // Punched, not only counted.
      std::size_t files = 0;
      EXPECT_EQ(allocated(files), after);
      EXPECT_EQ(files, history_->state()->segments.size());
    }
    check(*history_, model);
    if (HasFatalFailure()) FAIL() << "step " << step;
  }
  while (!model.empty()) {
    const SnapshotNumber gone = any();
    must(delete_snapshot(*history_, gone));
    model.erase(gone);
    check(*history_, model);
  }
  EXPECT_TRUE(history_->state()->snapshots.empty());
  EXPECT_TRUE(history_->state()->segments.empty());
  std::size_t files = 0;
  EXPECT_EQ(allocated(files), 0U);
  EXPECT_EQ(files, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDeletes, testing::Range<std::uint64_t>(1, 9));

TEST_F(ReclaimTest, OnlyALivingSnapshotIsDeleted) {
  Snapshots model;
  const auto number = take(*history_, model, 0, {{1, 11}});
  EXPECT_EQ(delete_snapshot(*history_, number + 1).error().code, Errc::kNotFound);
  must(delete_snapshot(*history_, number, {format::Counters{}}));
  EXPECT_EQ(delete_snapshot(*history_, number).error().code, Errc::kNotFound);
  EXPECT_TRUE(finish_delete(*history_, number)) << "nothing to finish";
}

// There is nothing left to free in a segment that is gone, or of which less than its header is
// left.
TEST_F(ReclaimTest, ADeleteIsFinishedWhateverIsLeftOfASegment) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{100}, std::uint64_t{4095}}) {
    SCOPED_TRACE(size);
    Snapshots model;
    const auto first = take(*history_, model, 0, {{1, 11}, {2, 12}, {130, 13}, {299, 14}});
    take(*history_, model, first, {{2, 22}});
    const auto segment = history_->state()->snapshot(first)->root.segment;
    env_.set_size(layout_.segment(1, segment), size);
    must(delete_snapshot(*history_, first));
    EXPECT_EQ(history_->state()->snapshot(first), nullptr);
    for (const auto& [number, contents] : model) {
      if (number != first) must(delete_snapshot(*history_, number));
    }
    EXPECT_TRUE(history_->state()->segments.empty());
  }
}

TEST_F(ReclaimTest, ASnapshotOfZeroesGivesBackNothing) {
  Snapshots model;
  const auto number = take(*history_, model, 0, {});
  EXPECT_EQ(must(delete_snapshot(*history_, number)), 0U);
  EXPECT_TRUE(history_->state()->snapshots.empty());
}

TEST_F(ReclaimTest, AnUnfinishedSnapshotIsForgotten) {
  Snapshots model;
  const auto living = take(*history_, model, 0, {{1, 11}});
  for (const auto state : {SnapshotState::kProgressing, SnapshotState::kFailed}) {
    format::SnapshotRecord record;
    record.number = 50;
    record.state = state;
    must(history_->log().update(
        [&](const State&) -> Result<format::Transaction> { return format::Transaction{record}; }));
    must(forget_unfinished(*history_, 50));
    EXPECT_EQ(history_->state()->snapshot(50), nullptr);
  }
  must(forget_unfinished(*history_, living));
  EXPECT_NE(history_->state()->snapshot(living), nullptr) << "a living one is not touched";
  check(*history_, model);
}

// A power cut at every operation of a delete; the next process finishes it. Others stay intact.
TEST(ReclaimCrash, AtAnyCutTheDeleteHappensOrNotAndTheRestIsWhole) {
  std::uint64_t visited = 0;
  for (std::uint64_t cut = 0;; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    sim::SimulatedEnv env({.seed = cut + 1});
    must(Store::create(env, "/store"));
    auto opened = must(Store::open(env, "/store"));
    const auto store = add_disk(*opened, "d-1");
    Snapshots model;
    const auto first = take(*store, model, 0, {{1, 11}, {2, 12}, {130, 13}, {299, 14}});
    const auto second = take(*store, model, first, {{2, 22}, {131, 23}});
    take(*store, model, second, {{1, 31}, {131, 0}});
    env.set_crash_after(env.mutations() + cut);
    const bool done = delete_snapshot(*store, second).has_value();
    const bool cut_off = env.power_is_off();
    env.crash_states(60, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      SCOPED_TRACE(what);
      const auto reopened = must(Store::open(*after, "/store"));
      const auto lease = must(reopened->lease(1));
      const auto again = must(reopened->history(1));
      const auto* record = again->state()->snapshot(second);
      Snapshots left = model;
      const bool alive = record != nullptr && record->state == SnapshotState::kAccomplished;
      EXPECT_FALSE(alive && done);
      if (!alive) {
        left.erase(second);
        must(finish_delete(*again, second));
        must(remove_empty_segments(*again));
      }
      must(again->remove_orphans());
      check(*again, left);
      ++visited;
      return !testing::Test::HasFailure();
    });
    if (!cut_off || testing::Test::HasFailure()) break;
  }
  EXPECT_GT(visited, 20U);
}

}  // namespace
}  // namespace blkrewind::store
