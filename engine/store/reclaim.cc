#include "store/reclaim.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "store/lineage.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
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

// The first segment of the disk's own; 0: it is no clone.
SegmentId own_from(const State& state, DiskNumber disk) {
  const auto* origin = state.origins.get(disk);
  return origin == nullptr ? 0 : origin->own_from();
}

std::uint64_t blocks_of(const format::Entry& entry) {
  return align_up(entry.length_bytes, format::kBlockBytes);
}

// Adds to `transaction` the removal of the segments of which `state` needs nothing, and returns
// them. None while a snapshot is deleting.
std::vector<SegmentId> take_empty(const State& state, format::Transaction& transaction) {
  std::vector<SegmentId> empty;
  const bool wanted = std::ranges::any_of(state.snapshots, [](const auto& entry) {
    return entry.second.state == SnapshotState::kDeleting;
  });
  if (wanted) return empty;
  for (const auto& [id, live_bytes] : state.segments) {
    // Without any snapshot nothing is needed, including bytes that damage kept from being counted.
    if (live_bytes != 0 && !state.snapshots.empty()) continue;
    transaction.emplace_back(format::SegmentRemoved{id});
    empty.push_back(id);
  }
  return empty;
}

// Returns the space that they occupied. A file that cannot be removed now is left to the next
// remove_orphans().
std::uint64_t remove_files(History& history, const std::vector<SegmentId>& segments) {
  std::uint64_t given_back = 0;
  for (const SegmentId id : segments) given_back += history.remove_segment(id);
  return given_back;
}

// Punches extents, merging neighbours, and flushes the files. Segments of which nothing is needed
// are skipped: they are removed as files.
class Puncher {
 public:
  Puncher(History& history, const State& state, io::Queue& queue)
      : history_(history), state_(state), queue_(queue) {}

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
    for (const auto& [id, open] : files_) {
      BLKREWIND_TRY(io::flush_now(queue_, *open.file));
      const std::uint64_t now = allocated(*open.file);
      given_back_ += open.allocated_bytes - std::min(now, open.allocated_bytes);
    }
    files_.clear();
    return {};
  }

  // From the allocated size after the flush, as reported by the file system.
  [[nodiscard]] std::uint64_t given_back_bytes() const { return given_back_; }

 private:
  static constexpr std::size_t kOpenMax = 64;

  struct Open {
    std::unique_ptr<io::File> file;
    std::uint64_t allocated_bytes = 0;  // before the first hole was punched
  };

  // Only for the receipt: a file whose size cannot be read counts as empty.
  static std::uint64_t allocated(io::File& file) { return file.allocated_bytes().value_or(0); }

  Status punch_run() {
    if (run_.empty()) return {};
    auto& open = files_[segment_];
    if (open.file == nullptr) {
      auto opened = history_.files().open_for_punching(segment_, queue_);
      if (!opened && opened.error().code == Errc::kNotFound) {
        // Lost, cut off, or removed by hand: there is nothing left to free.
        files_.erase(segment_);
        run_ = {};
        return {};
      }
      if (!opened) return fail(std::move(opened).error());
      open.file = std::move(*opened);
      open.allocated_bytes = allocated(*open.file);
    }
    // The file may be shorter than a tree says; punching does not extend it.
    BLKREWIND_ASSIGN(const std::uint64_t size, open.file->size_bytes());
    const std::uint64_t end = std::min(run_.end(), size);
    if (run_.offset < end) {
      BLKREWIND_TRY(io::discard_now(queue_, *open.file, {run_.offset, end - run_.offset}));
    }
    run_ = {};
    if (files_.size() >= kOpenMax) return flush();
    return {};
  }

  History& history_;
  const State& state_;
  io::Queue& queue_;
  std::map<SegmentId, Open> files_;
  std::uint64_t given_back_ = 0;
  SegmentId segment_ = 0;
  Extent run_;
};

// Before anything is recorded: checks that each segment that is about to get holes belongs to this
// store, or has nothing to punch.
Status check_segments(History& history, const State& state,
                      const std::map<SegmentId, std::uint64_t>& freed) {
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  for (const auto& [id, bytes] : freed) {
    const auto live = state.segments.find(id);
    if (live == state.segments.end() || live->second <= bytes) continue;  // removed as a file
    const auto file = history.files().open_for_punching(id, *queue);
    if (!file && file.error().code != Errc::kNotFound) return fail(file.error());
  }
  return {};
}

}  // namespace

namespace {

Error is_open(History& history, const format::SnapshotRecord& snapshot) {
  const std::string who = history.home().holders(history.disk(), snapshot.number);
  Error error;
  error.code = Errc::kBusy;
  error.message = "snapshot " + snapshot.id + " is open for reading" +
                  (who.empty() ? " in another process" : ": " + who);
  error.remedy =
      "end what reads it (an export, a mount, blkrewind open, an NBD client), then try again";
  return error;
}

}  // namespace

Result<std::uint64_t> delete_snapshot(History& history, SnapshotNumber number,
                                      const format::Transaction& extra) {
  BLKREWIND_TRY(history.log().refresh());
  const auto state = history.state();
  const auto* record = state->snapshot(number);
  if (record == nullptr || record->state != SnapshotState::kAccomplished) {
    return fail(Errc::kNotFound, "the snapshot was already deleted");
  }
  // Until it is deleting, after which it cannot be opened.
  BLKREWIND_ASSIGN(const auto hold,
                   history.home().hold_snapshot(history.disk(), number, io::LockMode::kExclusive));
  if (!hold) return fail(is_open(history, *record));
  std::map<SegmentId, std::uint64_t> freed;
  {
    BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
    TreeReader reader(history.files(), *queue, history.secret());
    BLKREWIND_TRY(
        for_each_unique(reader, tree_of(*record), trees_near(*state, number),
                        {.own_from = own_from(*state, history.disk()), .pass_over_damage = true},
                        [&](const UniqueExtent& extent) -> Status {
                          freed[extent.entry.segment] += blocks_of(extent.entry);
                          return {};
                        }));
  }
  BLKREWIND_TRY(check_segments(history, *state, freed));
  std::uint64_t total = 0;
  BLKREWIND_TRY(history.log().update(
      [&](const State& now) -> Result<format::Transaction> {
        format::Transaction transaction = extra;
        format::SnapshotRecord deleting = *now.snapshot(number);
        deleting.state = SnapshotState::kDeleting;
        transaction.emplace_back(std::move(deleting));
        for (const auto& [id, bytes] : freed) {
          const auto live = now.segments.find(id);
          if (live == now.segments.end() || live->second < bytes) {
            return fail(Errc::kIntegrity,
                        "segment " + std::to_string(id) + " is shorter than the snapshot needs",
                        Remedy(Verb::kVerify, "check the store"));
          }
          transaction.emplace_back(format::SegmentRecord{id, live->second - bytes});
          total += bytes;
        }
        return transaction;
      },
      Room::kFrees));
  BLKREWIND_TRY(finish_delete(history, number));
  return total;
}

Result<std::uint64_t> finish_delete(History& history, SnapshotNumber number) {
  BLKREWIND_TRY(history.log().refresh());
  const auto state = history.state();
  const auto* record = state->snapshot(number);
  if (record == nullptr || record->state != SnapshotState::kDeleting) return 0;
  std::uint64_t given_back = 0;
  const Tree tree = tree_of(*record);
  const std::vector<Tree> kin = trees_near(*state, number);
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  BLKREWIND_ASSIGN(auto punch_queue, history.env().make_queue({.depth = 1}));
  const auto height = static_cast<int>(tree.geometry.height());
  for (int level = UniqueFilter::kChunks; level < height; ++level) {
    TreeReader reader(history.files(), *queue, history.secret());
    Puncher puncher(history, *state, *punch_queue);
    const UniqueFilter filter = {
        .what = level, .own_from = own_from(*state, history.disk()), .pass_over_damage = true};
    BLKREWIND_TRY(for_each_unique(reader, tree, kin, filter, [&](const UniqueExtent& extent) {
      return puncher.add(extent.entry);
    }));
    BLKREWIND_TRY(puncher.flush());
    given_back += puncher.given_back_bytes();
  }

  // One record for both, because on a full file system each takes a block of the reserve.
  std::vector<SegmentId> empty;
  BLKREWIND_TRY(history.log().update(
      [&](const State& now) -> Result<format::Transaction> {
        format::Transaction transaction = remove_from_lineage(now, number);
        State after = now;
        after.apply(transaction);
        empty = take_empty(after, transaction);
        return transaction;
      },
      Room::kFrees));
  return given_back + remove_files(history, empty);
}

Result<std::uint64_t> remove_empty_segments(History& history) {
  std::vector<SegmentId> empty;
  BLKREWIND_TRY(history.log().update(
      [&](const State& now) -> Result<format::Transaction> {
        format::Transaction transaction;
        empty = take_empty(now, transaction);
        return transaction;
      },
      Room::kFrees));
  return remove_files(history, empty);
}

Status forget_unfinished(History& history, SnapshotNumber number) {
  return history.log().update(
      [&](const State& now) -> Result<format::Transaction> {
        const auto* record = now.snapshot(number);
        if (record == nullptr || (record->state != SnapshotState::kProgressing &&
                                  record->state != SnapshotState::kFailed)) {
          return format::Transaction{};
        }
        return remove_from_lineage(now, number);
      },
      Room::kFrees);
}

}  // namespace blkrewind::store
