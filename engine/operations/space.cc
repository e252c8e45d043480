// Deletes snapshots, and collects what crashed operations left.
#include <utility>

#include "operations/operations_parts.h"
#include "store/reclaim.h"

namespace blkrewind {

using format::SnapshotState;

Result<DeleteReceipt> Operations::remove_snapshot(format::SnapshotNumber number,
                                                  const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_TRY(store.journal().refresh());
  const auto before = store.state();
  const auto* found = before->snapshot(number);
  if (found == nullptr) return fail(Errc::kNotFound, "the snapshot was already deleted");
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk(store, found->disk, Pending::kAllow));
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
    BLKREWIND_ASSIGN(receipt.reclaimed_bytes, store::delete_snapshot(store, number, extra));
  } else if (record->state == SnapshotState::kProgressing ||
             record->state == SnapshotState::kFailed) {
    BLKREWIND_TRY(store::forget_unfinished(store, number));
  }
  receipt.reclaimed_bytes += locked.finished_bytes;
  meter.finish();
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

Result<CollectReceipt> Operations::collect(const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_TRY(store.check_writable());
  // Before the disks are locked one by one, which removes orphans without counting them.
  BLKREWIND_ASSIGN(const auto crashed, store.remove_orphans());
  BLKREWIND_TRY(store.journal().refresh());
  CollectReceipt receipt;
  const auto state = store.state();
  pipeline::Meter meter(monitor, "reclaim", state->disks.size());
  for (const auto& [number, disk] : state->disks) {
    for (const auto& [id, snapshot] : state->snapshots) {
      if (snapshot.disk == number && snapshot.state == SnapshotState::kDeleting) {
        ++receipt.finished_deletes;
      }
    }
    auto locked = lock_disk(store, number, Pending::kAllow);
    if (!locked && locked.error().code != Errc::kBusy) return fail(std::move(locked).error());
    if (locked) receipt.reclaimed_bytes += locked->finished_bytes;
    BLKREWIND_TRY(meter.advance(1));
  }
  BLKREWIND_ASSIGN(const std::uint64_t emptied, store::remove_empty_segments(store));
  BLKREWIND_ASSIGN(const auto orphans, store.remove_orphans());
  receipt.removed_files = crashed.files + orphans.files;
  receipt.reclaimed_bytes += crashed.bytes + orphans.bytes + emptied;
  auto checkpointed = store.journal().checkpoint(true);
  // There is no space for a second journal: the existing one stays in use.
  if (!checkpointed && checkpointed.error().code != Errc::kNoSpace) {
    return fail(std::move(checkpointed).error());
  }
  receipt.checkpointed = checkpointed.value_or(false);
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

}  // namespace blkrewind
