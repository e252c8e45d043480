// Deletes snapshots, and collects what crashed operations left.
#include <algorithm>
#include <utility>
#include <vector>

#include "operations/operations_parts.h"
#include "store/group.h"
#include "store/holds.h"
#include "store/reclaim.h"

namespace blkrewind {

using format::SnapshotState;

namespace {

// After lock_disk(), which could not: the error says why.
Result<std::uint64_t> finish_delete(store::History& history,
                                    const format::SnapshotRecord& snapshot) {
  auto finished = store::finish_delete(history, snapshot.number);
  if (finished) return finished;
  Error error = std::move(finished).error();
  if (error.remedy.empty()) error.remedy = "see that the store can be read, then try again";
  return fail(std::move(error).while_doing("deleting the snapshot " + snapshot.id));
}

}  // namespace

Result<DeleteReceipt> Operations::remove_snapshot(const SnapshotKey& key, const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  const format::SnapshotNumber number = key.number;
  BLKREWIND_ASSIGN(const auto known, parts_->store->history(key.disk));
  const auto before = known->state();
  const auto* found = before->snapshot(number);
  if (found == nullptr) return fail(Errc::kNotFound, "the snapshot was already deleted");
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk(*parts_->store, key.disk, Pending::kAllow));
  store::History& history = *locked.history;
  DeleteReceipt receipt;
  receipt.snapshot_id = found->id;
  const auto* record = locked.state->snapshot(number);
  if (found->state == SnapshotState::kDeleting &&
      (record == nullptr || record->state == SnapshotState::kTombstone)) {
    // An earlier delete was interrupted; taking the lock has finished it.
    receipt.reclaimed_bytes = locked.finished_bytes;
    receipt.elapsed_seconds = watch.seconds();
    return receipt;
  }
  if (record == nullptr || record->state == SnapshotState::kTombstone) {
    return fail(Errc::kNotFound, "the snapshot was already deleted");
  }
  if (const auto intent = locked.state->intents.find(record->disk);
      intent != locked.state->intents.end() &&
      (intent->second.target == number || intent->second.undo == number)) {
    return reset_in_progress(locked.disk, intent->second);
  }
  BLKREWIND_TRY(store::check_not_held(*parts_->store->disks(), *locked.state, *record));
  pipeline::Meter meter(monitor, "reclaim", 1);
  BLKREWIND_TRY(meter.advance(0));
  if (record->state == SnapshotState::kAccomplished) {
    // Without its base snapshot, nothing is known about the content of the disk's device.
    format::Transaction extra;
    if (locked.disk.base_snapshot == number) {
      format::DiskRecord disk = locked.disk;
      disk.base_snapshot = 0;
      extra.emplace_back(std::move(disk));
    }
    BLKREWIND_ASSIGN(receipt.reclaimed_bytes, store::delete_snapshot(history, number, extra));
  } else if (record->state == SnapshotState::kDeleting) {
    BLKREWIND_ASSIGN(receipt.reclaimed_bytes, finish_delete(history, *record));
  } else if (record->state == SnapshotState::kProgressing ||
             record->state == SnapshotState::kFailed) {
    BLKREWIND_TRY(store::forget_unfinished(history, number));
  }
  receipt.reclaimed_bytes += locked.finished_bytes;
  meter.finish();
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

namespace {

// All of one disk. `locked`: before anything is finished.
Status collect_disk(store::Store& store, format::DiskNumber number, CollectReceipt& receipt) {
  BLKREWIND_ASSIGN(const auto before, store.history(number));
  std::uint64_t deleting = 0;
  for (const auto held = before->state(); const auto& [id, snapshot] : held->snapshots) {
    if (snapshot.state == SnapshotState::kDeleting) ++deleting;
  }
  auto locked = lock_disk(store, number, Pending::kAllow);
  // An operation that runs cleans up after itself.
  if (!locked && locked.error().code == Errc::kBusy) return {};
  if (!locked) return fail(std::move(locked).error());
  std::vector<format::SnapshotRecord> unfinished;
  for (const auto& [id, snapshot] : locked->state->snapshots) {
    if (snapshot.state == SnapshotState::kDeleting) unfinished.push_back(snapshot);
  }
  receipt.finished_deletes += deleting - std::min<std::uint64_t>(deleting, unfinished.size());
  receipt.removed_files += locked->orphans.files;
  receipt.reclaimed_bytes += locked->finished_bytes;
  BLKREWIND_ASSIGN(const std::uint64_t emptied, store::remove_empty_segments(*locked->history));
  receipt.reclaimed_bytes += emptied;
  auto checkpointed = locked->history->log().checkpoint(true);
  // There is no space for a second log: the existing one stays in use.
  if (!checkpointed && checkpointed.error().code != Errc::kNoSpace) {
    return fail(std::move(checkpointed).error());
  }
  receipt.checkpointed = receipt.checkpointed || checkpointed.value_or(false);
  for (const format::SnapshotRecord& snapshot : unfinished) {
    BLKREWIND_ASSIGN(const std::uint64_t freed, finish_delete(*locked->history, snapshot));
    receipt.reclaimed_bytes += freed;
    ++receipt.finished_deletes;
  }
  return {};
}

}  // namespace

Result<CollectReceipt> Operations::collect(const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_TRY(store.check_writable());
  BLKREWIND_TRY(store.index().refresh());
  CollectReceipt receipt;
  BLKREWIND_ASSIGN(const std::uint64_t strays, store.remove_strays());
  receipt.removed_files += strays;
  const auto index = store.disks();
  pipeline::Meter meter(monitor, "reclaim", index->disks.size());
  Status first;
  for (const auto& [number, disk] : index->disks) {
    // One disk that is damaged keeps no other from being cleaned up.
    Status done = collect_disk(store, number, receipt);
    if (!done && done.error().code == Errc::kNotFound) done = {};
    if (!done && first) first = fail(Error(done.error()).while_doing("collecting disk " + disk.id));
    BLKREWIND_TRY(meter.advance(1));
  }
  BLKREWIND_TRY(first);
  BLKREWIND_TRY(store::forget_ended_groups(store));
  auto checkpointed = store.index().checkpoint(true);
  if (!checkpointed && checkpointed.error().code != Errc::kNoSpace) {
    return fail(std::move(checkpointed).error());
  }
  receipt.checkpointed = receipt.checkpointed || checkpointed.value_or(false);
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
