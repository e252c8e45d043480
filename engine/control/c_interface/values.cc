#include "control/c_interface/values.h"

#include <algorithm>

namespace blkrewind::c_interface {
namespace {

template <class T>
T sized() {
  T value{};
  value.size = sizeof(T);
  return value;
}

}  // namespace

namespace {

std::uint32_t shown(TakenFrom from) {
  switch (from) {
    case TakenFrom::kOffline:
      break;
    case TakenFrom::kFrozen:
      return BLKREWIND_TAKEN_FROZEN;
    case TakenFrom::kQuiet:
      return BLKREWIND_TAKEN_QUIET;
  }
  return BLKREWIND_TAKEN_OFFLINE;
}

}  // namespace

const char* Arena::text(std::string_view from) {
  char* const to = array<char>(from.size() + 1);
  *std::copy(from.begin(), from.end(), to) = '\0';
  return to;
}

blkrewind_snapshot_info shown(Arena& arena, const SnapshotInfo& from) {
  auto to = sized<blkrewind_snapshot_info>();
  to.id = arena.text(from.id);
  to.name = arena.text(from.name);
  to.description = arena.text(from.description);
  to.disk_id = arena.text(from.disk_id);
  to.root_digest = arena.text(from.root_digest);
  to.created_at = from.created_at;
  to.device_bytes = from.device_bytes;
  to.stored_bytes = from.stored_bytes;
  to.zero_bytes = from.zero_bytes;
  to.chunk_bytes = from.chunk_bytes;
  switch (from.kind) {
    case SnapshotKind::kUser:
      to.kind = BLKREWIND_KIND_USER;
      break;
    case SnapshotKind::kUndo:
      to.kind = BLKREWIND_KIND_UNDO;
      break;
    case SnapshotKind::kImport:
      to.kind = BLKREWIND_KIND_IMPORT;
      break;
  }
  switch (from.status) {
    case SnapshotStatus::kProgressing:
      to.status = BLKREWIND_PROGRESSING;
      break;
    case SnapshotStatus::kAccomplished:
      to.status = BLKREWIND_ACCOMPLISHED;
      break;
    case SnapshotStatus::kFailed:
      to.status = BLKREWIND_FAILED;
      break;
  }
  to.damaged = from.damaged ? 1 : 0;
  to.retention_days = from.retention_days;
  to.tag_count = static_cast<std::uint32_t>(from.tags.size());
  auto* const tags = arena.array<blkrewind_tag>(from.tags.size());
  for (std::size_t i = 0; i < from.tags.size(); ++i) {
    tags[i] = {arena.text(from.tags[i].key), arena.text(from.tags[i].value)};
  }
  to.tags = tags;
  to.taken_from = shown(from.taken_from);
  to.frozen_us = from.frozen_us;
  return to;
}

blkrewind_snapshot_receipt shown(Arena& arena, const SnapshotReceipt& from) {
  auto to = sized<blkrewind_snapshot_receipt>();
  to.snapshot_id = arena.text(from.snapshot_id);
  to.name = arena.text(from.name);
  to.disk_id = arena.text(from.disk_id);
  to.change_source = arena.text(from.change_source);
  to.root_digest = arena.text(from.root_digest);
  to.recognised_by = arena.text(from.recognised_by);
  to.device_bytes = from.device_bytes;
  to.scanned_bytes = from.scanned_bytes;
  to.changed_bytes = from.changed_bytes;
  to.stored_bytes = from.stored_bytes;
  to.zero_bytes = from.zero_bytes;
  to.elapsed_seconds = from.elapsed_seconds;
  to.scan_seconds = from.scan_seconds;
  to.disk_registered = from.disk_registered ? 1 : 0;
  to.taken_from = shown(from.taken_from);
  to.frozen_us = from.frozen_us;
  to.last_pass_bytes = from.last_pass_bytes;
  to.passes = from.passes;
  to.frozen_count = static_cast<std::uint32_t>(from.frozen.size());
  auto* const frozen = arena.array<const char*>(from.frozen.size());
  for (std::size_t i = 0; i < from.frozen.size(); ++i) frozen[i] = arena.text(from.frozen[i]);
  to.frozen = frozen;
  return to;
}

blkrewind_delete_receipt shown(Arena& arena, const DeleteReceipt& from) {
  auto to = sized<blkrewind_delete_receipt>();
  to.snapshot_id = arena.text(from.snapshot_id);
  to.reclaimed_bytes = from.reclaimed_bytes;
  to.elapsed_seconds = from.elapsed_seconds;
  return to;
}

blkrewind_rollback_receipt shown(Arena& arena, const RollbackReceipt& from) {
  auto to = sized<blkrewind_rollback_receipt>();
  to.request_id = arena.text(from.request_id);
  to.disk_id = arena.text(from.disk_id);
  to.snapshot_id = arena.text(from.snapshot_id);
  to.undo_snapshot_id = arena.text(from.undo_snapshot_id.value_or(""));
  to.kept_snapshot_id = arena.text(from.kept_snapshot_id.value_or(""));
  to.change_source = arena.text(from.change_source);
  to.verified_after = arena.text(from.verified_after);
  to.root_digest = arena.text(from.root_digest);
  to.recognised_by = arena.text(from.recognised_by);
  to.partition_table = arena.text(from.partition_table);
  to.partition_reason = arena.text(from.partition_reason);
  to.partition_remedy = arena.text(from.partition_remedy.to_string());
  to.device_bytes = from.device_bytes;
  to.scanned_bytes = from.scanned_bytes;
  to.changed_bytes = from.changed_bytes;
  to.restored_bytes = from.restored_bytes;
  to.zeroed_bytes = from.zeroed_bytes;
  to.undo_stored_bytes = from.undo_stored_bytes;
  to.kept_bytes = from.kept_bytes;
  to.extents = from.extents;
  to.read_back_bytes = from.read_back_bytes;
  to.rechecked_bytes = from.rechecked_bytes.value_or(0);
  to.unreadable_bytes = from.unreadable_bytes;
  to.marked_bytes = from.marked_bytes;
  to.elapsed_seconds = from.elapsed_seconds;
  to.scan_seconds = from.scan_seconds;
  to.verify_seconds = from.verify_seconds;
  to.restore_seconds = from.restore_seconds;
  to.dry_run = from.dry_run ? 1 : 0;
  to.ended_interrupted = from.ended_interrupted ? 1 : 0;
  to.unreadable_count = from.unreadable.size();
  auto* const unreadable = arena.array<blkrewind_extent>(from.unreadable.size());
  for (std::size_t i = 0; i < from.unreadable.size(); ++i) {
    unreadable[i] = {from.unreadable[i].offset, from.unreadable[i].length};
  }
  to.unreadable = unreadable;
  return to;
}

blkrewind_tracker_info shown(Arena& arena, const TrackerInfo& from) {
  auto to = sized<blkrewind_tracker_info>();
  to.source = arena.text(from.source);
  to.reason = arena.text(from.reason);
  to.base_snapshot_id = arena.text(from.base_snapshot_id);
  to.changed_bytes = from.changed_bytes;
  to.granule_bytes = from.granule_bytes;
  to.memory_bytes = from.memory_bytes;
  to.valid = from.valid ? 1 : 0;
  return to;
}

blkrewind_tracking_info shown(Arena& arena, const TrackingInfo& from) {
  auto to = sized<blkrewind_tracking_info>();
  to.disk_id = arena.text(from.disk_id);
  to.path = arena.text(from.path);
  to.tracker_count = from.trackers.size();
  to.trackers = arena.each<blkrewind_tracker_info>(from.trackers);
  return to;
}

blkrewind_disk_info shown(Arena& arena, const DiskInfo& from, const blkrewind_error* trouble) {
  auto to = sized<blkrewind_disk_info>();
  to.id = arena.text(from.id);
  to.path = arena.text(from.path);
  to.instance_id = arena.text(from.instance_id);
  to.status = arena.text(from.status);
  const PendingRollback pending = from.pending_rollback.value_or(PendingRollback{});
  to.pending_snapshot_id = arena.text(pending.snapshot_id);
  to.pending_undo_snapshot_id = arena.text(pending.undo_snapshot_id.value_or(""));
  to.pending_running = pending.running ? 1 : 0;
  to.last_rollback_snapshot_id = arena.text(from.last_rollback_snapshot_id);
  to.undo_snapshot_id = arena.text(from.undo_snapshot_id);
  to.base_snapshot_id = arena.text(from.anchor_snapshot_id);
  to.device_bytes = from.device_bytes;
  to.registered_at = from.registered_at;
  to.chunk_bytes = from.chunk_bytes;
  to.attached = from.attached ? (*from.attached ? 1 : 0) : -1;
  to.trouble = trouble;
  return to;
}

}  // namespace blkrewind::c_interface

void blkrewind_free(const void* value) {
  if (value == nullptr) return;
  // It was made by hand_out(), as a value that may be changed.
  auto* const memory =
      static_cast<std::byte*>(const_cast<void*>(value)) - blkrewind::c_interface::kArenaSpace;
  reinterpret_cast<blkrewind::c_interface::Arena*>(memory)->~Arena();
  ::operator delete(memory);
}
