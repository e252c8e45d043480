#include "store/reclaim.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/kinship.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind::store {
namespace {

using format::SegmentId;
using format::SnapshotNumber;
using format::SnapshotState;

std::vector<Tree> trees_near(const State& state, SnapshotNumber number) {
  std::vector<Tree> trees;
  for (const SnapshotNumber near : state.holders_near(number)) {
    trees.push_back(tree_of(*state.snapshot(near)));
  }
  return trees;
}

std::uint64_t blocks_of(const format::Entry& entry) {
  return align_up(entry.length_bytes, format::kBlockBytes);
}

// Punches extents, neighbours merged, and flushes what it touched. Segments that nothing needs any
// more are left out: their files go as a whole.
class Puncher {
 public:
  Puncher(Store& store, const State& state, io::Queue& queue)
      : store_(store), state_(state), queue_(queue) {}

  Status add(const format::Entry& entry) {
    const auto live = state_.segments.find(entry.segment);
    if (live == state_.segments.end() || live->second == 0) return {};
    const Extent extent{entry.offset_bytes(), blocks_of(entry)};
    if (entry.segment == segment_ && extent.offset == run_.end()) {
      run_.length += extent.length;
      return {};
    }
    BLKREWIND_TRY(punch_run());
    segment_ = entry.segment;
    run_ = extent;
    return {};
  }

  Status flush() {
    BLKREWIND_TRY(punch_run());
    for (const auto& [id, file] : files_) BLKREWIND_TRY(io::flush_now(queue_, *file));
    files_.clear();
    return {};
  }

 private:
  static constexpr std::size_t kOpenMax = 64;

  Status punch_run() {
    if (run_.empty()) return {};
    auto& file = files_[segment_];
    if (file == nullptr) {
      auto opened = store_.files().open_for_punching(segment_, queue_);
      if (!opened && opened.error().code == Errc::kNotFound) {
        // Lost, or removed by hand: there is nothing left to give back.
        files_.erase(segment_);
        run_ = {};
        return {};
      }
      if (!opened) return fail(std::move(opened).error());
      file = std::move(*opened);
    }
    // A file of the right name may be shorter than a tree says; it does not grow by this.
    BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
    const std::uint64_t end = std::min(run_.end(), size);
    if (run_.offset < end) {
      BLKREWIND_TRY(io::discard_now(queue_, *file, {run_.offset, end - run_.offset}));
    }
    run_ = {};
    if (files_.size() >= kOpenMax) return flush();
    return {};
  }

  Store& store_;
  const State& state_;
  io::Queue& queue_;
  std::map<SegmentId, std::unique_ptr<io::File>> files_;
  SegmentId segment_ = 0;
  Extent run_;
};

// Before anything is recorded: each segment that is about to get holes is a segment of this store,
// or is missing.
Status check_segments(Store& store, const State& state,
                      const std::map<SegmentId, std::uint64_t>& freed) {
  BLKREWIND_ASSIGN(auto queue, store.env().make_queue({.depth = 4}));
  for (const auto& [id, bytes] : freed) {
    const auto live = state.segments.find(id);
    if (live == state.segments.end() || live->second <= bytes) continue;  // removed as a whole
    const auto file = store.files().open_for_punching(id, *queue);
    if (!file && file.error().code != Errc::kNotFound) return fail(file.error());
  }
  return {};
}

}  // namespace

Result<std::uint64_t> delete_snapshot(Store& store, SnapshotNumber number,
                                      const format::Transaction& extra) {
  BLKREWIND_TRY(store.journal().refresh());
  const auto state = store.state();
  const auto* record = state->snapshot(number);
  if (record == nullptr || record->state != SnapshotState::kAccomplished) {
    return fail(Errc::kNotFound, "the snapshot is gone already");
  }
  std::map<SegmentId, std::uint64_t> freed;
  {
    BLKREWIND_ASSIGN(auto queue, store.env().make_queue({.depth = 8}));
    TreeReader reader(store.files(), *queue, store.secret());
    BLKREWIND_TRY(for_each_unique(reader, tree_of(*record), trees_near(*state, number),
                                  {.pass_over_damage = true},
                                  [&](const UniqueExtent& extent) -> Status {
                                    freed[extent.entry.segment] += blocks_of(extent.entry);
                                    return {};
                                  }));
  }
  BLKREWIND_TRY(check_segments(store, *state, freed));
  std::uint64_t total = 0;
  BLKREWIND_TRY(store.journal().update([&](const State& now) -> Result<format::Transaction> {
    format::Transaction transaction = extra;
    format::SnapshotRecord deleting = *now.snapshot(number);
    deleting.state = SnapshotState::kDeleting;
    transaction.emplace_back(std::move(deleting));
    for (const auto& [id, bytes] : freed) {
      const auto live = now.segments.find(id);
      if (live == now.segments.end() || live->second < bytes) {
        return fail(Errc::kIntegrity,
                    "segment " + std::to_string(id) + " holds fewer bytes than the snapshot needs",
                    "run: blkrewind verify");
      }
      transaction.emplace_back(format::SegmentRecord{id, live->second - bytes});
      total += bytes;
    }
    return transaction;
  }));
  BLKREWIND_TRY(finish_delete(store, number));
  return total;
}

Status finish_delete(Store& store, SnapshotNumber number) {
  BLKREWIND_TRY(store.journal().refresh());
  const auto state = store.state();
  const auto* record = state->snapshot(number);
  if (record == nullptr || record->state != SnapshotState::kDeleting) return {};
  const Tree tree = tree_of(*record);
  const std::vector<Tree> kin = trees_near(*state, number);
  BLKREWIND_ASSIGN(auto queue, store.env().make_queue({.depth = 8}));
  BLKREWIND_ASSIGN(auto punch_queue, store.env().make_queue({.depth = 8}));
  const auto height = static_cast<int>(tree.geometry.height());
  for (int level = UniqueFilter::kChunks; level < height; ++level) {
    TreeReader reader(store.files(), *queue, store.secret());
    Puncher puncher(store, *state, *punch_queue);
    BLKREWIND_TRY(
        for_each_unique(reader, tree, kin, {.what = level, .pass_over_damage = true},
                        [&](const UniqueExtent& extent) { return puncher.add(extent.entry); }));
    BLKREWIND_TRY(puncher.flush());
  }

  BLKREWIND_TRY(store.journal().update([&](const State& now) -> Result<format::Transaction> {
    return remove_from_kin(now, number);
  }));
  return remove_empty_segments(store);
}

Status remove_empty_segments(Store& store) {
  std::vector<SegmentId> empty;
  BLKREWIND_TRY(store.journal().update([&](const State& now) -> Result<format::Transaction> {
    format::Transaction transaction;
    empty.clear();
    const bool wanted = std::ranges::any_of(now.snapshots, [](const auto& entry) {
      return entry.second.state == SnapshotState::kDeleting;
    });
    if (wanted) return transaction;
    for (const auto& [id, live_bytes] : now.segments) {
      // Without any snapshot nothing is needed, whatever damage has kept from being counted.
      if (live_bytes != 0 && !now.snapshots.empty()) continue;
      transaction.emplace_back(format::SegmentRemoved{id});
      empty.push_back(id);
    }
    return transaction;
  }));
  for (const SegmentId id : empty) {
    // A segment that cannot be removed now is an orphan of the next remove_orphans().
    (void)store.env().remove(store.layout().segment(id));
  }
  return {};
}

Status forget_unfinished(Store& store, SnapshotNumber number) {
  return store.journal().update([&](const State& now) -> Result<format::Transaction> {
    const auto* record = now.snapshot(number);
    if (record == nullptr ||
        (record->state != SnapshotState::kProgressing && record->state != SnapshotState::kFailed)) {
      return format::Transaction{};
    }
    return remove_from_kin(now, number);
  });
}

}  // namespace blkrewind::store
