#include "control/describe.h"

#include <algorithm>

#include "base/digest.h"
#include "control/rules/facts.h"

namespace blkrewind::control {
namespace {

std::string id_of(const DiskView& view, format::SnapshotNumber number) {
  const format::SnapshotRecord* snapshot = snapshot_of(view, number);
  return snapshot == nullptr ? std::string() : snapshot->id;
}

// The status in the API. Creating: the first snapshot is being taken, so no rollback is possible.
std::string status_of(const DiskView& view, const std::string& instance_id) {
  if (view.intent || waits_for_reset(view)) return "ReIniting";
  const auto is_taken = [&](const format::SnapshotRecord& snapshot) {
    return status_now(snapshot, view.locked) == SnapshotStatus::kAccomplished;
  };
  const auto is_progressing = [&](const format::SnapshotRecord& snapshot) {
    return status_now(snapshot, view.locked) == SnapshotStatus::kProgressing;
  };
  if (std::none_of(view.snapshots.begin(), view.snapshots.end(), is_taken) &&
      std::any_of(view.snapshots.begin(), view.snapshots.end(), is_progressing)) {
    return "Creating";
  }
  return instance_id.empty() ? "Available" : "In_use";
}

}  // namespace

const format::SnapshotRecord* snapshot_of(const DiskView& view, format::SnapshotNumber number) {
  if (number == 0) return nullptr;
  for (const format::SnapshotRecord& snapshot : view.snapshots) {
    if (snapshot.number == number) return &snapshot;
  }
  return nullptr;
}

SnapshotInfo describe_snapshot(const DiskView& view, const format::SnapshotRecord& snapshot) {
  SnapshotInfo info;
  info.id = snapshot.id;
  info.name = snapshot.name;
  info.description = snapshot.description;
  info.disk_id = view.disk.id;
  info.kind = snapshot.kind;
  info.status = status_now(snapshot, view.locked);
  info.damaged = snapshot.damaged;
  info.created_at = snapshot.created_at;
  info.device_bytes = snapshot.device_bytes;
  info.chunk_bytes = snapshot.chunk_bytes;
  info.stored_bytes = snapshot.stored_bytes;
  info.zero_bytes = snapshot.zero_bytes;
  info.taken_from = snapshot.capture.from;
  info.frozen_us = snapshot.capture.frozen_us;
  if (info.status == SnapshotStatus::kAccomplished) {
    info.root_digest = to_hex(snapshot.root_digest);
  }
  return info;
}

DiskInfo describe_disk(const DiskView& view, const std::optional<Attachment>& attachment) {
  const format::DiskRecord& disk = view.disk;
  DiskInfo info;
  info.id = disk.id;
  info.path = disk.path;
  info.device_bytes = disk.device_bytes;
  info.chunk_bytes = disk.chunk_bytes;
  info.registered_at = disk.registered_at;
  if (attachment) {
    info.instance_id = attachment->instance_id;
    info.attached_at = attachment->attached_at;
    info.first_detached_at = attachment->first_detached_at;
    info.detached_at = attachment->detached_at;
  } else {
    info.instance_id = kLocalInstance;
    info.attached_at = disk.registered_at;
  }
  if (view.trouble) {
    info.trouble = view.trouble;
    return info;
  }
  if (view.origin) info.origin = DiskOrigin{view.origin_disk_id, view.origin->snapshot_id};
  info.status = status_of(view, info.instance_id);
  if (const auto& reset = view.reset) {
    info.last_reset = {reset->request_id,    reset->snapshot_id, reset->state,
                       reset->accepted.wall, reset->finished_at, reset->error_code,
                       reset->error_message};
  }
  info.anchor_snapshot_id = id_of(view, disk.base_snapshot);
  if (view.intent) {
    PendingRollback pending;
    pending.request_id = view.intent->request_id;
    pending.snapshot_id = id_of(view, view.intent->target);
    if (view.intent->undo != 0) pending.undo_snapshot_id = id_of(view, view.intent->undo);
    pending.started_at = view.intent->started_at;
    pending.running = view.locked;
    // An undo would revert this one, not the one before.
    info.last_rollback_snapshot_id = pending.snapshot_id;
    info.undo_snapshot_id = pending.undo_snapshot_id.value_or("");
    info.pending_rollback = std::move(pending);
  } else if (!disk.last_rollback.request_id.empty()) {
    info.last_rollback_snapshot_id = id_of(view, disk.last_rollback.target);
    info.undo_snapshot_id = id_of(view, disk.last_rollback.undo);
  }
  return info;
}

}  // namespace blkrewind::control
