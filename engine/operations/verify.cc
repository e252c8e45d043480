// Reads the store and checks every digest.
//
// Each stored chunk is read once, however many snapshots share it: a snapshot is walked beside
// those of its lineage that were verified before, and only chunks that it does not share with them
// are read. Damage that is found is then searched for in every other snapshot of the disk.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "operations/operations_parts.h"
#include "pipeline/restore.h"
#include "store/tree_cursor.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind {
namespace {

using format::SnapshotNumber;
using format::SnapshotState;

constexpr std::size_t kFindingsMax = 100;
constexpr std::size_t kBadMax = 10000;

// A damaged position of the tree: a chunk (level -1) or a node.
struct BadPlace {
  format::SnapshotNumber found_in = 0;
  int level = -1;
  std::uint64_t index = 0;
  format::Entry entry;
};

class Verifier {
 public:
  // Of one disk; adds to `receipt`.
  Verifier(store::History& history, const pipeline::Means& means, const Monitor& monitor,
           VerifyReceipt& receipt)
      : history_(history),
        state_(history.state()),
        means_(means),
        monitor_(monitor),
        receipt_(receipt) {}

  [[nodiscard]] Result<format::SnapshotRecord> snapshot(SnapshotNumber number) const {
    return find_accomplished(*state_, number);
  }
  [[nodiscard]] std::vector<SnapshotNumber> all() const {
    std::vector<SnapshotNumber> numbers;
    for (const auto& [number, snapshot] : state_->snapshots) {
      if (snapshot.state == SnapshotState::kAccomplished) numbers.push_back(number);
    }
    return numbers;
  }

  Status verify(const format::SnapshotRecord& snapshot) {
    ++receipt_.snapshots;
    const store::Tree tree = store::tree_of(snapshot);
    if (format::root_digest(history_.secret(), tree.geometry, tree.root.digest) !=
        snapshot.root_digest) {
      found(snapshot, "its root digest does not match its tree");
    }
    BLKREWIND_ASSIGN(auto queue, history_.env().make_queue({.depth = 1}));
    store::TreeReader reader(history_.files(), *queue, history_.secret());
    BLKREWIND_TRY(walk(snapshot, tree, reader));
    // Only a snapshot that was read in full spares its lineage the reading, and may be cleared of
    // damage.
    if (!unreadable_.contains(snapshot.number)) verified_.insert(snapshot.number);
    return {};
  }

  // Snapshots that share a damaged chunk or node are damaged too.
  Status spread() {
    BLKREWIND_ASSIGN(auto queue, history_.env().make_queue({.depth = 1}));
    store::TreeReader reader(history_.files(), *queue, history_.secret());
    for (const auto& [number, snapshot] : state_->snapshots) {
      if (snapshot.state != SnapshotState::kAccomplished || damaged_.contains(number)) continue;
      store::TreeCursor cursor(reader, store::tree_of(snapshot));
      for (const BadPlace& bad : bad_) {
        if (damaged_.contains(number)) break;
        auto entry = cursor.entry(static_cast<std::uint32_t>(bad.level + 1), bad.index);
        if (entry && entry->same_place(bad.entry)) damaged_.insert(number);
      }
    }
    return {};
  }

  // Whether something was found during this snapshot's own walk.
  [[nodiscard]] bool finds(SnapshotNumber number) const {
    return damaged_.contains(number) || unreadable_.contains(number);
  }
  // It was deleted while it was walked: what is missing is not damage.
  void forget(const format::SnapshotRecord& snapshot) {
    damaged_.erase(snapshot.number);
    unreadable_.erase(snapshot.number);
    verified_.erase(snapshot.number);
    std::erase_if(bad_, [&](const BadPlace& bad) { return bad.found_in == snapshot.number; });
    std::erase_if(receipt_.findings, [&](const std::string& finding) {
      return finding.starts_with("snapshot " + snapshot.id + ":");
    });
  }

  void finish() {
    for (const SnapshotNumber number : damaged_) {
      receipt_.damaged.push_back(state_->snapshot(number)->id);
    }
    for (const SnapshotNumber number : unreadable_) {
      receipt_.unreadable.push_back(state_->snapshot(number)->id);
    }
  }

  [[nodiscard]] const std::set<SnapshotNumber>& damaged() const { return damaged_; }
  [[nodiscard]] const std::set<SnapshotNumber>& verified() const { return verified_; }

 private:
  Status walk(const format::SnapshotRecord& snapshot, const store::Tree& tree,
              store::TreeReader& reader) {
    std::vector<store::Tree> kin;
    for (const SnapshotNumber near : state_->holders_near(snapshot.number)) {
      if (verified_.contains(near)) kin.push_back(store::tree_of(*state_->snapshot(near)));
    }
    // Turns the walk into a stream by taking one run of chunks at a time: leaf by leaf.
    std::vector<pipeline::ChunkTarget> chunks;
    store::UniqueFilter filter;
    filter.on_damage = [&](int level, std::uint64_t index, const format::Entry& entry,
                           const Error& error) {
      if (error.code != Errc::kIntegrity) return unreadable(snapshot, error);
      bad_.push_back({snapshot.number, level, index, entry});
      found(snapshot, error.to_string());
    };
    BLKREWIND_TRY(store::for_each_unique(
        reader, tree, kin, filter, [&](const store::UniqueExtent& extent) -> Status {
          if (extent.level >= 0) return {};
          chunks.push_back({extent.index, extent.entry});
          if (chunks.size() < kBatch) return {};
          return check_chunks(snapshot, tree, std::exchange(chunks, {}));
        }));
    return check_chunks(snapshot, tree, std::move(chunks));
  }

  Status check_chunks(const format::SnapshotRecord& snapshot, const store::Tree& tree,
                      std::vector<pipeline::ChunkTarget> chunks) {
    if (chunks.empty()) return {};
    std::size_t next = 0;
    pipeline::RestoreRequest request;
    request.geometry = tree.geometry;
    request.chunks = [&]() -> Result<std::optional<pipeline::ChunkTarget>> {
      if (next == chunks.size()) return std::optional<pipeline::ChunkTarget>{};
      return std::optional<pipeline::ChunkTarget>(chunks[next++]);
    };
    request.phase = "verify";
    request.work_bytes = chunks.size() * tree.geometry.chunk_bytes;
    request.means = means_;
    request.bad_max = kBadMax;
    BLKREWIND_ASSIGN(const pipeline::RestoreOutcome outcome,
                     pipeline::restore_chunks(history_, request, monitor_));
    receipt_.chunks += outcome.chunks;
    receipt_.verified_bytes += outcome.restored_bytes;
    for (const pipeline::BadChunk& bad : outcome.bad) {
      bad_.push_back({snapshot.number, -1, bad.chunk, bad.source});
      found(snapshot, pipeline::bad_chunk_error(bad, tree.geometry).to_string());
    }
    for (const pipeline::BadChunk& chunk : outcome.unreadable) {
      unreadable(snapshot, pipeline::unreadable_chunk_error(history_, chunk, tree.geometry));
    }
    return {};
  }

  // Data that cannot be read now may be intact: neither damage nor success.
  void unreadable(const format::SnapshotRecord& snapshot, const Error& error) {
    unreadable_.insert(snapshot.number);
    if (!receipt_.unreadable_because) receipt_.unreadable_because = error;
    add_finding(snapshot, error.to_string());
  }

  void found(const format::SnapshotRecord& snapshot, const std::string& what) {
    damaged_.insert(snapshot.number);
    add_finding(snapshot, what);
  }

  void add_finding(const format::SnapshotRecord& snapshot, const std::string& what) {
    if (receipt_.findings.size() < kFindingsMax) {
      receipt_.findings.push_back("snapshot " + snapshot.id + ": " + what);
    }
  }

  static constexpr std::size_t kBatch = 16384;

  store::History& history_;
  const std::shared_ptr<const store::State> state_;
  const pipeline::Means means_;
  const Monitor& monitor_;
  VerifyReceipt& receipt_;
  std::vector<BadPlace> bad_;
  std::set<SnapshotNumber> damaged_;
  std::set<SnapshotNumber> unreadable_;  // in part, at this time
  std::set<SnapshotNumber> verified_;
};

// The damaged flag follows the result: damage sets it, a complete pass clears it. In a store that
// cannot be written damage is reported, but not recorded.
Status mark(store::History& history, const Verifier& verifier) {
  const auto& damaged = verifier.damaged();
  const auto& verified = verifier.verified();
  const auto is_to_change = [&](SnapshotNumber number, bool is_damaged_now) {
    return damaged.contains(number) ? !is_damaged_now : is_damaged_now && verified.contains(number);
  };
  const auto known = history.state();
  const bool changes = std::ranges::any_of(known->snapshots, [&](const auto& entry) {
    return is_to_change(entry.first, entry.second.damaged);
  });
  if (!changes || !history.home().check_writable()) return {};
  Status marked = history.log().update(
      [&](const store::State& now) -> Result<format::Transaction> {
        format::Transaction transaction;
        for (const auto& [number, record] : now.snapshots) {
          if (!is_to_change(number, record.damaged)) continue;
          format::SnapshotRecord changed = record;
          changed.damaged = !record.damaged;
          transaction.emplace_back(std::move(changed));
        }
        return transaction;
      },
      store::Room::kFrees);
  if (marked) return {};
  const Error& error = marked.error();
  if (error.code != Errc::kNoSpace && !store::Store::may_only_be_read(error)) return marked;
  // The damage is in the receipt in any case.
  log::warning("the store cannot be written, so the damage is reported but not recorded: " +
               error.to_string());
  return {};
}

bool is_removed(store::Store& store, format::DiskNumber disk) {
  const auto history = store.history(disk);
  return !history && history.error().code == Errc::kNotFound;
}

bool is_deleted(store::Store& store, format::DiskNumber disk, SnapshotNumber number) {
  const auto history = store.history(disk);
  if (!history) return history.error().code == Errc::kNotFound;
  return !find_accomplished(*(*history)->state(), number);
}

// No numbers: all of its snapshots.
Status verify_disk(store::Store& store, store::History& history,
                   std::vector<SnapshotNumber> numbers, const pipeline::Means& means,
                   const Monitor& monitor, VerifyReceipt& receipt) {
  Verifier verifier(history, means, monitor, receipt);
  if (numbers.empty()) numbers = verifier.all();
  for (const SnapshotNumber number : numbers) {
    BLKREWIND_ASSIGN(const auto snapshot, verifier.snapshot(number));
    const auto verified = verifier.verify(snapshot);
    if (verified && !verifier.finds(number)) continue;
    if (is_deleted(store, history.disk(), number)) {
      verifier.forget(snapshot);
      continue;
    }
    if (!verified) {
      return fail(Error(verified.error()).while_doing("verifying snapshot " + snapshot.id));
    }
  }
  BLKREWIND_TRY(verifier.spread());
  Status marked = mark(history, verifier);
  if (!marked && !is_removed(store, history.disk())) return marked;
  verifier.finish();
  return {};
}

}  // namespace

Result<VerifyReceipt> Operations::verify(std::vector<SnapshotKey> snapshots,
                                         const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  std::map<format::DiskNumber, std::vector<SnapshotNumber>> wanted;
  std::sort(snapshots.begin(), snapshots.end());
  snapshots.erase(std::unique(snapshots.begin(), snapshots.end()), snapshots.end());
  for (const SnapshotKey& key : snapshots) wanted[key.disk].push_back(key.number);
  const auto index = store.disks();
  if (snapshots.empty()) {
    for (const auto& [number, disk] : index->disks) wanted[number];
  }
  VerifyReceipt receipt;
  const auto check_log = [&](store::Log& log) -> Status {
    Status whole = log.check();
    if (whole || whole.error().code != Errc::kIntegrity) return whole;
    receipt.damaged_logs.push_back(std::move(whole).error());
    return {};
  };
  BLKREWIND_TRY(check_log(store.index()));
  for (const auto& [number, numbers] : wanted) {
    const auto history = store.history(number);
    if (history) {
      Status checked = check_log((*history)->log());
      if (!checked && !is_removed(store, number)) return fail(std::move(checked).error());
      BLKREWIND_TRY(verify_disk(store, **history, numbers, parts_->means, monitor, receipt));
    } else if (!numbers.empty()) {
      return fail(history.error());
    } else if (history.error().code != Errc::kNotFound) {
      const format::DiskRecord& disk = *index->disk(number);
      receipt.unreadable_disks.push_back({disk.id, disk.path, history.error()});
    }
  }
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
