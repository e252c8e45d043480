// The contents of a log, as values. Their encoding: log_codec.h and docs/FORMAT.md.
//
// Every entry is a "put" (the whole record, inserted or replaced) or a "removed", so that replaying
// an entry twice changes nothing and a checkpoint is simply every record, put once.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "blkrewind/info.h"
#include "blkrewind/units.h"
#include "format/entry.h"
#include "host/device_info.h"

namespace blkrewind::format {

using DiskNumber = std::uint32_t;  // from 1, never reused
// Of a disk:
using SnapshotNumber = std::uint64_t;  // from 1, never reused, ascending in time; 0: none
using SegmentId = std::uint32_t;       // from 1, never reused

// The last finished rollback of a disk that changed something: the one that `undo` undoes.
struct LastRollback {
  std::string request_id;  // empty: there was none
  SnapshotNumber target = 0;
  SnapshotNumber undo = 0;  // 0: rolled back without undo
  std::int64_t finished_at = 0;
  friend bool operator==(const LastRollback&, const LastRollback&) = default;
};

struct DiskRecord {
  DiskNumber number = 0;
  std::string id;    // "d-..."
  std::string path;  // resolved path, where it was seen last
  host::DeviceKind kind = host::DeviceKind::kFile;
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;
  host::DeviceIdentity identity;
  std::int64_t registered_at = 0;
  SnapshotNumber base_snapshot =
      0;  // the base snapshot: what the device is known to have equalled last
  LastRollback last_rollback;
  friend bool operator==(const DiskRecord&, const DiskRecord&) = default;
};

enum class SnapshotState : std::uint8_t {
  kProgressing = 0,
  kAccomplished = 1,
  kFailed = 2,
  kDeleting = 3,   // gone for users; its space is being freed
  kTombstone = 4,  // gone; kept because snapshots of its lineage shared extents through it
};

// How a snapshot was taken (SnapshotInfo::taken). Of a device that nothing else used: offline.
struct Capture {
  TakenFrom from = TakenFrom::kOffline;
  std::uint64_t frozen_us = 0;  // how long file systems were frozen for it, microseconds
  friend bool operator==(const Capture&, const Capture&) = default;
};

struct SnapshotRecord {
  SnapshotNumber number = 0;
  DiskNumber disk = 0;
  std::string id;  // "s-..."
  std::string name;
  std::string description;
  SnapshotKind kind = SnapshotKind::kUser;
  SnapshotState state = SnapshotState::kProgressing;
  bool damaged = false;
  std::int64_t created_at = 0;
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;
  Entry root;          // zero: the whole device was zero
  Digest root_digest;  // binds geometry and root
  std::uint64_t stored_bytes = 0;
  std::uint64_t zero_bytes = 0;
  // The lineage: snapshots whose extents this one may refer to, and those that were joined to it
  // when a deleted one between them was removed. The relation is symmetric; only one side records
  // it.
  std::vector<SnapshotNumber> kin;
  std::string failure;  // why it failed
  Capture capture;
  friend bool operator==(const SnapshotRecord&, const SnapshotRecord&) = default;
};

// A rollback between its first possible write to the device and its end.
struct IntentRecord {
  DiskNumber disk = 0;
  std::string request_id;
  SnapshotNumber target = 0;
  SnapshotNumber undo = 0;  // 0: --no-undo
  std::int64_t started_at = 0;
  friend bool operator==(const IntentRecord&, const IntentRecord&) = default;
};

// The number of bytes of a segment that some snapshot needs. A segment with 0 is retired.
struct SegmentRecord {
  SegmentId id = 0;
  std::uint64_t live_bytes = 0;
  friend bool operator==(const SegmentRecord&, const SegmentRecord&) = default;
};

// The last rollback of a disk that was accepted to run later, and how it ended. Goes with its disk.
struct ResetRecord {
  DiskNumber disk = 0;
  std::string request_id;
  std::string snapshot_id;  // "s-...", also after the snapshot was deleted
  bool undo = true;
  ResetState state = ResetState::kAccepted;
  Moment accepted;
  std::int64_t finished_at = 0;  // 0: not yet
  std::string error_code;        // of a failed one
  std::string error_message;
  friend bool operator==(const ResetRecord&, const ResetRecord&) = default;
};

// The counter of a disk's retentions and tokens: docs/FORMAT.md, "Counted time". Goes with its
// disk.
struct ClockRecord {
  DiskNumber disk = 0;
  Moment moment;             // of the last count
  std::int64_t counted = 0;  // seconds that have certainly passed while it was counted
  friend bool operator==(const ClockRecord&, const ClockRecord&) = default;
};

// What a snapshot was given beside its content. Goes with its snapshot.
struct NoteRecord {
  SnapshotNumber snapshot = 0;
  DiskNumber disk = 0;
  std::uint32_t retention_days = 0;  // 0: for ever
  std::int64_t counted_seconds = 0;  // of the retention, until the counter was at counted_from
  std::int64_t owed_seconds = 0;
  std::int64_t counted_from = 0;
  std::vector<Tag> tags;  // by key
  friend bool operator==(const NoteRecord&, const NoteRecord&) = default;
};

// The request for a snapshot that had a client token. Goes with its snapshot.
struct TokenRecord {
  SnapshotNumber snapshot = 0;
  DiskNumber disk = 0;
  std::string token;
  Digest parameters;              // of the request
  std::int64_t counted_from = 0;  // the counter when it was used
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};

struct Counters {
  DiskNumber next_disk = 1;
  SnapshotNumber next_snapshot = 1;
  SegmentId next_segment = 1;
  friend bool operator==(const Counters&, const Counters&) = default;
};

struct DiskRemoved {
  DiskNumber number = 0;
  friend bool operator==(const DiskRemoved&, const DiskRemoved&) = default;
};
struct SnapshotRemoved {
  SnapshotNumber number = 0;
  friend bool operator==(const SnapshotRemoved&, const SnapshotRemoved&) = default;
};
struct IntentRemoved {
  DiskNumber disk = 0;
  friend bool operator==(const IntentRemoved&, const IntentRemoved&) = default;
};
struct SegmentRemoved {
  SegmentId id = 0;
  friend bool operator==(const SegmentRemoved&, const SegmentRemoved&) = default;
};

struct TokenRemoved {
  SnapshotNumber snapshot = 0;
  friend bool operator==(const TokenRemoved&, const TokenRemoved&) = default;
};

// A change of several disks that takes effect together: store/group.h. Numbers are random, so that
// one is never used twice.
using GroupNumber = std::uint64_t;

// Of one disk's log: what the group changes here, once the index says that it is committed.
struct PendingRecord {
  GroupNumber group = 0;
  std::vector<std::byte> entries;  // encoded, one after another; none of them of a group
  friend bool operator==(const PendingRecord&, const PendingRecord&) = default;
};
// The pending record is void: its entries have taken effect (`done`), or never will.
struct PendingEnded {
  GroupNumber group = 0;
  bool done = false;
  friend bool operator==(const PendingEnded&, const PendingEnded&) = default;
};
// Of the index. Committed: all pending records of the group are true.
struct GroupRecord {
  GroupNumber group = 0;
  bool committed = false;
  std::vector<DiskNumber> disks;  // whose logs have, or may have, a pending record of it
  friend bool operator==(const GroupRecord&, const GroupRecord&) = default;
};
struct GroupRemoved {
  GroupNumber group = 0;
  friend bool operator==(const GroupRemoved&, const GroupRemoved&) = default;
};

// The disk is a clone: its trees share chunks and nodes with those of the snapshot that it was made
// from. Of the clone's log and, as a copy, of the index. Never changes, and goes with its disk.
struct OriginRecord {
  // The segments from the disk before it in the list, or from 1, up to this number are those of
  // `disk`.
  struct Share {
    DiskNumber disk = 0;
    SegmentId below = 0;
    friend bool operator==(const Share&, const Share&) = default;
  };
  DiskNumber disk = 0;          // the clone
  SnapshotNumber snapshot = 0;  // of parent()
  std::string snapshot_id;
  std::vector<Share> shares;  // the oldest disk first; at least one
  [[nodiscard]] DiskNumber parent() const { return shares.back().disk; }
  // The first number of the clone's own segments.
  [[nodiscard]] SegmentId own_from() const { return shares.back().below; }
  friend bool operator==(const OriginRecord&, const OriginRecord&) = default;
};

// The snapshot, and with it the disk, is needed by a clone, for as long as that exists. A hold for
// a disk that the index does not name is void: the clone was never completed, or is gone.
struct HoldRecord {
  DiskNumber clone = 0;
  SnapshotNumber snapshot = 0;
  friend bool operator==(const HoldRecord&, const HoldRecord&) = default;
};
struct HoldRemoved {
  DiskNumber clone = 0;
  friend bool operator==(const HoldRemoved&, const HoldRemoved&) = default;
};

using JournalEntry =
    std::variant<DiskRecord, SnapshotRecord, IntentRecord, SegmentRecord, Counters, DiskRemoved,
                 SnapshotRemoved, IntentRemoved, SegmentRemoved, ResetRecord, ClockRecord,
                 NoteRecord, TokenRecord, TokenRemoved, PendingRecord, PendingEnded, GroupRecord,
                 GroupRemoved, OriginRecord, HoldRecord, HoldRemoved>;

// Entries that take effect together or not at all: one record of a log.
using Transaction = std::vector<JournalEntry>;

}  // namespace blkrewind::format
