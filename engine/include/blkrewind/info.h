// The content of a store as values: disks, snapshots, instances, rollbacks.
//
// Times are seconds since the epoch, UTC; 0 means never. Digests are 32 hexadecimal digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind {

enum class SnapshotKind : std::uint8_t {
  kUser = 0,    // taken on request
  kUndo = 1,    // the data that a rollback was about to overwrite
  kImport = 2,  // read from an image file
};

// The names in the API: progressing, accomplished, failed.
enum class SnapshotStatus : std::uint8_t { kProgressing, kAccomplished, kFailed };

struct Tag {
  std::string key;
  std::string value;
  friend bool operator==(const Tag&, const Tag&) = default;
};

// What the device was like while a snapshot of it was taken. Each is of one instant.
enum class TakenFrom : std::uint8_t {
  kOffline,  // nothing else used it
  kFrozen,   // what was mounted from it was frozen, so that its file systems are clean
  kQuiet,    // in use; nothing was written to it while the last of it was read
};

struct SnapshotInfo {
  std::string id;  // "s-..."
  std::string name;
  std::string description;
  std::string disk_id;
  SnapshotKind kind = SnapshotKind::kUser;
  SnapshotStatus status = SnapshotStatus::kProgressing;
  bool damaged = false;  // verify or a rollback found a digest that does not match
  std::int64_t created_at = 0;
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::uint64_t stored_bytes = 0;  // bytes of chunks that this snapshot added to the store
  std::uint64_t zero_bytes = 0;    // bytes of chunks that are all zero
  TakenFrom taken_from = TakenFrom::kOffline;
  std::uint64_t frozen_us = 0;       // how long file systems were frozen for it, in microseconds
  std::string root_digest;           // empty unless accomplished
  std::uint32_t retention_days = 0;  // 0: kept until it is deleted
  std::vector<Tag> tags;             // by key
};

// A rollback that was accepted for later execution: kAccepted until it has ended as kDone or
// kFailed.
enum class ResetState : std::uint8_t { kAccepted, kDone, kFailed };

struct ResetInfo {
  std::string request_id;
  std::string snapshot_id;
  ResetState state = ResetState::kAccepted;
  std::int64_t accepted_at = 0;
  std::int64_t finished_at = 0;
  std::string error_code;  // of a failed rollback
  std::string error_message;
};

// A rollback that has started to write and has not finished: it is running, or was interrupted.
struct PendingRollback {
  std::string request_id;
  std::string snapshot_id;
  std::optional<std::string> undo_snapshot_id;
  std::int64_t started_at = 0;
  bool running = false;  // a process holds the disk's lock now
};

// What a clone was made from, and shares its data with.
struct DiskOrigin {
  std::string disk_id;
  std::string snapshot_id;
};

struct DiskInfo {
  std::string id;    // "d-..."
  std::string path;  // where the device was seen last
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::int64_t registered_at = 0;
  std::string instance_id;  // "i-local", a named instance, or empty while Available
  // In_use, Available, Creating (first snapshot in progress), ReIniting; empty: unknown (`trouble`)
  std::string status;
  std::int64_t attached_at = 0;
  std::int64_t first_detached_at = 0;
  std::int64_t detached_at = 0;
  std::optional<PendingRollback> pending_rollback;
  std::optional<ResetInfo> last_reset;    // the last rollback that was accepted for later execution
  std::string last_rollback_snapshot_id;  // target of the rollback that `undo` would undo; or empty
  std::string undo_snapshot_id;           // what `undo` would restore; or empty
  std::string anchor_snapshot_id;    // the base snapshot: what the device equalled last; or empty
  std::optional<DiskOrigin> origin;  // the disk is a clone
  // Whether its device is attached now, at `path`. Empty: it cannot be determined, or the evidence
  // is weak.
  std::optional<bool> attached;
  // Why the disk's log cannot be read. Its snapshots, its status and its rollbacks are then
  // unknown: they are left out here, and not because there are none.
  std::optional<Error> trouble;
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

// A tracker of a disk.
struct TrackerInfo {
  std::string source;               // bitmap, extents
  bool valid = false;               // the next operation can use it instead of reading everything
  std::string reason;               // why it is not valid
  std::string base_snapshot_id;     // if valid: the snapshot since which changes are recorded
  std::uint64_t changed_bytes = 0;  // if valid: how much may have changed since
  std::uint64_t granule_bytes = 0;  // the resolution at which changes are recorded
  std::uint64_t memory_bytes = 0;   // kernel memory; for extents space on the file system
};

struct TrackingInfo {
  std::string disk_id;
  std::string path;
  std::vector<TrackerInfo> trackers;  // none: every operation scans
};

// A program that tracks a disk in this machine's kernel, for any store.
struct PinnedTracking {
  std::string disk_id;
  std::string store_path;  // the path of the store when tracking started; empty: unknown
  std::string store_uuid;  // empty: unknown
  std::string device;      // the whole disk; empty: unknown
  std::string gone;        // why it can be pruned; empty: it may be in use
};

// A disk whose log cannot be read now, and why: its snapshots are unknown. kIntegrity: the log is
// damaged or missing.
struct UnreadableDisk {
  std::string disk_id;
  std::string path;  // where the device was seen last
  Error error;
};

struct StoreInfo {
  std::string path;
  std::string uuid;
  std::uint32_t format_version = 0;
  std::uint64_t disks = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t segments = 0;
  std::uint64_t live_bytes = 0;       // bytes of chunks and tree nodes that a snapshot needs
  std::uint64_t allocated_bytes = 0;  // bytes that the segments occupy on the file system
  std::uint64_t journal_bytes = 0;
  std::vector<UnreadableDisk> unreadable_disks;  // of `disks`; all the rest is without them
};

}  // namespace blkrewind
