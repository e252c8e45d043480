#include "cli/json.h"

#include <string_view>

#include "blkrewind/text.h"
#include "cli/errors.h"
#include "cli/remedy_text.h"

namespace blkrewind::cli {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json time_or_null(std::int64_t seconds) { return seconds == 0 ? Json(nullptr) : Json(seconds); }

Json json_of(const PendingRollback& pending) {
  Json json;
  json["request_id"] = pending.request_id;
  json["snapshot_id"] = pending.snapshot_id;
  json["undo_snapshot_id"] =
      pending.undo_snapshot_id ? Json(*pending.undo_snapshot_id) : Json(nullptr);
  json["started_at"] = time_or_null(pending.started_at);
  json["running"] = pending.running;
  return json;
}

Json json_of(const std::vector<UnreadableDisk>& disks) {
  Json json = Json::array();
  for (const UnreadableDisk& disk : disks) {
    Json& one = json.emplace_back();
    one["disk_id"] = disk.disk_id;
    one["path"] = disk.path;
    one["error"] = json_of_trouble(disk.error);
  }
  return json;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (!take_character(text)) return false;
  }
  return true;
}

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

}  // namespace

Json json_of_trouble(const std::optional<Error>& trouble) {
  if (!trouble) return nullptr;
  Json json;
  json["code"] = error_code(*trouble);
  json["message"] = trouble->message;
  return json;
}

void add_path(Json& json, const std::string& path) {
  json["path"] = path;
  if (!is_utf8(path)) json["path_hex"] = hex_of(path);
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* name_of(SnapshotKind kind) {
  switch (kind) {
    case SnapshotKind::kUser:
      return "user";
    case SnapshotKind::kUndo:
      return "undo";
    case SnapshotKind::kImport:
      return "import";
  }
  return "unknown";
}

const char* name_of(SnapshotStatus status) {
  switch (status) {
    case SnapshotStatus::kProgressing:
      return "progressing";
    case SnapshotStatus::kAccomplished:
      return "accomplished";
    case SnapshotStatus::kFailed:
      return "failed";
  }
  return "unknown";
}

const char* name_of(TakenFrom from) {
  switch (from) {
    case TakenFrom::kOffline:
      return "offline";
    case TakenFrom::kFrozen:
      return "frozen";
    case TakenFrom::kQuiet:
      return "quiet";
  }
  return "unknown";
}

Json json_of(const Extent& extent) {
  Json json;
  json["offset"] = extent.offset;
  json["length"] = extent.length;
  return json;
}

Json json_of(const std::vector<Extent>& extents) {
  Json list = Json::array();
  for (const Extent& extent : extents) list.push_back(json_of(extent));
  return list;
}

Json json_of(const SnapshotReceipt& receipt) {
  Json json;
  json["snapshot_id"] = receipt.snapshot_id;
  json["name"] = text_or_null(receipt.name);
  json["disk_id"] = receipt.disk_id;
  json["disk_registered"] = receipt.disk_registered;
  json["change_source"] = text_or_null(receipt.change_source);
  json["device_bytes"] = receipt.device_bytes;
  json["scanned_bytes"] = receipt.scanned_bytes;
  json["changed_bytes"] = receipt.changed_bytes;
  json["stored_bytes"] = receipt.stored_bytes;
  json["zero_bytes"] = receipt.zero_bytes;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  json["scan_seconds"] = receipt.scan_seconds;
  json["root_digest"] = receipt.root_digest;
  json["recognised_by"] = text_or_null(receipt.recognised_by);
  json["taken"] = name_of(receipt.taken_from);
  json["frozen"] = receipt.frozen;
  json["frozen_us"] = receipt.frozen_us;
  json["passes"] = receipt.passes;
  json["last_pass_bytes"] = receipt.last_pass_bytes;
  return json;
}

Json json_of(const RollbackReceipt& receipt) {
  Json json;
  json["request_id"] = receipt.request_id;
  json["disk_id"] = receipt.disk_id;
  json["snapshot_id"] = receipt.snapshot_id;
  json["undo_snapshot_id"] =
      receipt.undo_snapshot_id ? Json(*receipt.undo_snapshot_id) : Json(nullptr);
  json["dry_run"] = receipt.dry_run;
  json["change_source"] = receipt.change_source;
  json["device_bytes"] = receipt.device_bytes;
  json["scanned_bytes"] = receipt.scanned_bytes;
  json["changed_bytes"] = receipt.changed_bytes;
  json["restored_bytes"] = receipt.restored_bytes;
  json["zeroed_bytes"] = receipt.zeroed_bytes;
  json["undo_stored_bytes"] = receipt.undo_stored_bytes;
  json["extent_count"] = receipt.extents;
  json["verified_after"] = receipt.verified_after;
  json["read_back_bytes"] = receipt.read_back_bytes;
  if (receipt.rechecked_bytes) json["rechecked_bytes"] = *receipt.rechecked_bytes;
  json["unreadable_bytes"] = receipt.unreadable_bytes;
  json["unreadable"] = json_of(receipt.unreadable);
  json["marked_bytes"] = receipt.marked_bytes;
  json["kept_snapshot_id"] =
      receipt.kept_snapshot_id ? Json(*receipt.kept_snapshot_id) : Json(nullptr);
  json["kept_bytes"] = receipt.kept_bytes;
  json["ended_interrupted"] = receipt.ended_interrupted;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  json["scan_seconds"] = receipt.scan_seconds;
  json["verify_seconds"] = receipt.verify_seconds;
  json["restore_seconds"] = receipt.restore_seconds;
  json["root_digest"] = receipt.root_digest;
  if (!receipt.partition_table.empty()) json["partition_table"] = receipt.partition_table;
  if (!receipt.partition_remedy.empty()) {
    json["partition_reason"] = receipt.partition_reason;
    json["partition_command"] = commands_of(receipt.partition_remedy, {});
  }
  json["recognised_by"] = text_or_null(receipt.recognised_by);
  return json;
}

Json json_of(const CloneReceipt& receipt) {
  Json json;
  json["disk_id"] = receipt.disk_id;
  json["snapshot_id"] = receipt.snapshot_id;
  json["origin_disk_id"] = receipt.origin_disk_id;
  json["origin_snapshot_id"] = receipt.origin_snapshot_id;
  json["file_created"] = receipt.file_created;
  json["stored_bytes"] = receipt.stored_bytes;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  json["rollback"] = json_of(receipt.rollback);
  return json;
}

Json json_of(const VerifyReceipt& receipt) {
  Json json;
  json["snapshot_count"] = receipt.snapshots;
  json["chunk_count"] = receipt.chunks;
  json["verified_bytes"] = receipt.verified_bytes;
  json["damaged"] = receipt.damaged;
  json["unreadable"] = receipt.unreadable;
  json["findings"] = receipt.findings;
  json["unreadable_disks"] = json_of(receipt.unreadable_disks);
  json["damaged_logs"] = Json::array();
  for (const Error& log : receipt.damaged_logs) {
    json["damaged_logs"].push_back(json_of_trouble(log));
  }
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  return json;
}

Json json_of(const ExportReceipt& receipt) {
  Json json;
  json["snapshot_id"] = receipt.snapshot_id;
  json["device_bytes"] = receipt.device_bytes;
  json["range_offset"] = receipt.range.offset;
  json["range_bytes"] = receipt.range.length;
  json["written_bytes"] = receipt.written_bytes;
  json["zero_bytes"] = receipt.zero_bytes;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  json["root_digest"] = receipt.root_digest;
  return json;
}

Json json_of(const DeleteReceipt& receipt) {
  Json json;
  json["snapshot_id"] = receipt.snapshot_id;
  json["reclaimed_bytes"] = receipt.reclaimed_bytes;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  return json;
}

Json json_of(const CollectReceipt& receipt) {
  Json json;
  json["reclaimed_bytes"] = receipt.reclaimed_bytes;
  json["removed_files"] = receipt.removed_files;
  json["finished_deletes"] = receipt.finished_deletes;
  json["checkpointed"] = receipt.checkpointed;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  return json;
}

Json json_of(const UpgradeReceipt& receipt) {
  Json json;
  json["upgraded"] = receipt.upgraded;
  json["resumed"] = receipt.resumed;
  json["disk_count"] = receipt.disks;
  json["snapshot_count"] = receipt.snapshots;
  json["moved_segments"] = receipt.moved_segments;
  json["warnings"] = receipt.warnings;
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  return json;
}

Json json_of(const DiffReceipt& receipt) {
  Json json;
  json["from"] = text_or_null(receipt.from);
  json["to"] = text_or_null(receipt.to);
  json["device_bytes"] = receipt.device_bytes;
  json["scanned_bytes"] = receipt.scanned_bytes;
  json["changed_bytes"] = receipt.changed_bytes;
  json["extent_count"] = receipt.extents;
  json["unreadable_bytes"] = receipt.unreadable_bytes;
  json["unreadable"] = json_of(receipt.unreadable);
  json["elapsed_seconds"] = receipt.elapsed_seconds;
  json["scan_seconds"] = receipt.scan_seconds;
  return json;
}

Json json_of(const SnapshotInfo& snapshot) {
  Json json;
  json["snapshot_id"] = snapshot.id;
  json["name"] = text_or_null(snapshot.name);
  json["description"] = text_or_null(snapshot.description);
  json["disk_id"] = snapshot.disk_id;
  json["kind"] = name_of(snapshot.kind);
  json["status"] = name_of(snapshot.status);
  json["damaged"] = snapshot.damaged;
  json["created_at"] = snapshot.created_at;
  json["device_bytes"] = snapshot.device_bytes;
  json["chunk_bytes"] = snapshot.chunk_bytes;
  json["stored_bytes"] = snapshot.stored_bytes;
  json["zero_bytes"] = snapshot.zero_bytes;
  json["root_digest"] = text_or_null(snapshot.root_digest);
  json["taken"] = name_of(snapshot.taken_from);
  json["frozen_us"] = snapshot.frozen_us;
  return json;
}

Json json_of(const DiskInfo& disk) {
  Json json;
  json["disk_id"] = disk.id;
  json["path"] = disk.path;
  json["attached"] = disk.attached ? Json(*disk.attached) : Json(nullptr);
  json["device_bytes"] = disk.device_bytes;
  json["chunk_bytes"] = disk.chunk_bytes;
  json["status"] = text_or_null(disk.status);
  json["instance_id"] = text_or_null(disk.instance_id);
  json["registered_at"] = time_or_null(disk.registered_at);
  json["attached_at"] = time_or_null(disk.attached_at);
  json["first_detached_at"] = time_or_null(disk.first_detached_at);
  json["detached_at"] = time_or_null(disk.detached_at);
  json["pending_rollback"] =
      disk.pending_rollback ? json_of(*disk.pending_rollback) : Json(nullptr);
  json["last_rollback_snapshot_id"] = text_or_null(disk.last_rollback_snapshot_id);
  json["undo_snapshot_id"] = text_or_null(disk.undo_snapshot_id);
  json["anchor_snapshot_id"] = text_or_null(disk.anchor_snapshot_id);
  json["origin"] = nullptr;
  if (disk.origin) {
    json["origin"] = {{"disk_id", disk.origin->disk_id}, {"snapshot_id", disk.origin->snapshot_id}};
  }
  json["error"] = json_of_trouble(disk.trouble);
  return json;
}

Json json_of(const InstanceInfo& instance) {
  Json json;
  json["instance_id"] = instance.id;
  json["name"] = text_or_null(instance.name);
  json["status"] = instance.status;
  json["locks"] = instance.locks;
  json["expires_at"] = time_or_null(instance.expires_at);
  json["in_arrears"] = instance.in_arrears;
  json["created_at"] = time_or_null(instance.created_at);
  json["disk_ids"] = instance.disk_ids;
  return json;
}

Json json_of(const TrackingInfo& tracking) {
  Json json;
  json["disk_id"] = tracking.disk_id;
  json["path"] = tracking.path;
  json["trackers"] = Json::array();
  for (const TrackerInfo& tracker : tracking.trackers) {
    Json each;
    each["source"] = tracker.source;
    each["valid"] = tracker.valid;
    each["reason"] = text_or_null(tracker.reason);
    each["base_snapshot_id"] = text_or_null(tracker.base_snapshot_id);
    each["changed_bytes"] = tracker.valid ? Json(tracker.changed_bytes) : Json(nullptr);
    each["granule_bytes"] = tracker.granule_bytes;
    each["memory_bytes"] = tracker.memory_bytes;
    json["trackers"].push_back(std::move(each));
  }
  return json;
}

Json json_of(const std::vector<PinnedTracking>& pins) {
  Json json = Json::array();
  for (const PinnedTracking& pin : pins) {
    Json each;
    each["disk_id"] = pin.disk_id;
    each["device"] = text_or_null(pin.device);
    each["store"] = text_or_null(pin.store_path);
    each["store_uuid"] = text_or_null(pin.store_uuid);
    each["gone"] = text_or_null(pin.gone);
    json.push_back(std::move(each));
  }
  return json;
}

Json json_of(const StoreInfo& store) {
  Json json;
  json["path"] = store.path;
  json["uuid"] = store.uuid;
  json["format_version"] = store.format_version;
  json["disk_count"] = store.disks;
  json["snapshot_count"] = store.snapshots;
  json["segment_count"] = store.segments;
  json["live_bytes"] = store.live_bytes;
  json["allocated_bytes"] = store.allocated_bytes;
  json["journal_bytes"] = store.journal_bytes;
  json["unreadable_disks"] = json_of(store.unreadable_disks);
  return json;
}

Json json_of_listed(const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) {
  Json json = json_of(disk);
  Json& own = json["snapshots"];
  if (disk.trouble) return json;
  own = Json::array();
  for (const SnapshotInfo& snapshot : snapshots) own.push_back(json_of(snapshot));
  return json;
}

}  // namespace blkrewind::cli
