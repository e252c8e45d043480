// What a store knows, as values: disks, snapshots, instances, rollbacks.
//
// Times are seconds since the epoch, UTC; 0 means never. Digests are 32 hexadecimal digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind {

enum class SnapshotKind : std::uint8_t {
  kUser = 0,    // asked for
  kUndo = 1,    // what a rollback was about to overwrite
  kImport = 2,  // read from an image file
};

// The API's words: progressing, accomplished, failed.
enum class SnapshotStatus : std::uint8_t { kProgressing, kAccomplished, kFailed };

struct Tag {
  std::string key;
  std::string value;
  friend bool operator==(const Tag&, const Tag&) = default;
};

struct SnapshotInfo {
  std::string id;  // "s-..."
  std::string name;
  std::string description;
  std::string disk_id;
  SnapshotKind kind = SnapshotKind::kUser;
  SnapshotStatus status = SnapshotStatus::kProgressing;
  bool damaged = false;  // verify, or a rollback, found a digest that does not match
  std::int64_t created_at = 0;
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::uint64_t stored_bytes = 0;    // chunk bytes that this snapshot added to the store
  std::uint64_t zero_bytes = 0;      // bytes of chunks that are all zero
  std::string root_digest;           // empty unless accomplished
  std::uint32_t retention_days = 0;  // 0: it is kept until it is deleted
  std::vector<Tag> tags;             // by key
};

// A rollback that was accepted to be done later: kAccepted until it has ended, done or failed.
enum class ResetState : std::uint8_t { kAccepted, kDone, kFailed };

struct ResetInfo {
  std::string request_id;
  std::string snapshot_id;
  ResetState state = ResetState::kAccepted;
  std::int64_t accepted_at = 0;
  std::int64_t finished_at = 0;
  std::string error_code;  // of a failed one
  std::string error_message;
};

// A rollback that has begun to write and has not finished: it runs now, or it was interrupted.
struct PendingRollback {
  std::string request_id;
  std::string snapshot_id;
  std::optional<std::string> undo_snapshot_id;
  std::int64_t started_at = 0;
  bool running = false;  // a process holds the disk right now
};

struct DiskInfo {
  std::string id;    // "d-..."
  std::string path;  // where it was seen last
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::int64_t registered_at = 0;
  std::string instance_id;  // "i-local", a named one, or empty while Available
  std::string status;       // In_use, Available, Creating (first snapshot under way), ReIniting
  std::int64_t attached_at = 0;
  std::int64_t first_detached_at = 0;
  std::int64_t detached_at = 0;
  std::optional<PendingRollback> pending_rollback;
  std::optional<ResetInfo> last_reset;    // the last one that was accepted to be done later
  std::string last_rollback_snapshot_id;  // what `undo` would take back; or empty
  std::string undo_snapshot_id;           // what `undo` would restore; or empty
  std::string anchor_snapshot_id;  // what the device is known to have equalled last; or empty
  // Its device is here now, at `path`. Nothing: it cannot be told, or the evidence is weak.
  std::optional<bool> attached;
};

struct InstanceInfo {
  std::string id;  // "i-..."
  std::string name;
  std::string status;              // Running, Stopped; observed for i-local
  std::vector<std::string> locks;  // LockReason: security, financial, ...
  std::int64_t expires_at = 0;     // prepay
  bool in_arrears = false;         // afterpay
  std::int64_t created_at = 0;
  std::vector<std::string> disk_ids;
};

// A change source that a disk has.
struct TrackerInfo {
  std::string source;               // bitmap, extents
  bool valid = false;               // the next operation need not read everything
  std::string reason;               // why it is not valid
  std::string base_snapshot_id;     // what changes are counted from, when valid
  std::uint64_t changed_bytes = 0;  // may have changed since, when valid
  std::uint64_t granule_bytes = 0;  // the smallest change that is told apart
  std::uint64_t memory_bytes = 0;   // of the kernel; for extents of the file system
};

struct TrackingInfo {
  std::string disk_id;
  std::string path;
  std::vector<TrackerInfo> trackers;  // none: every operation scans
};

// A program that tracks a disk in this machine's kernel, of whatever store.
struct PinnedTracking {
  std::string disk_id;
  std::string store_path;  // where the store was when the tracking began; empty: not known
  std::string store_uuid;  // empty: not known
  std::string device;      // the whole disk; empty: not known
  std::string gone;        // why nothing needs it any more; empty: it may be needed
};

struct StoreInfo {
  std::string path;
  std::string uuid;
  std::uint32_t format_version = 0;
  std::uint64_t disks = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t segments = 0;
  std::uint64_t live_bytes = 0;       // of chunks and tree nodes that a snapshot needs
  std::uint64_t allocated_bytes = 0;  // what the segments take on the file system
  std::uint64_t journal_bytes = 0;
};

}  // namespace blkrewind
