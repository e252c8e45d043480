// Results of operations. Byte counts are in bytes of the device, unless stated otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/info.h"
#include "blkrewind/remedy.h"
#include "blkrewind/units.h"

namespace blkrewind {

struct SnapshotReceipt {
  std::string snapshot_id;
  std::string name;
  std::string disk_id;
  bool disk_registered = false;  // this call registered the disk
  std::string change_source;     // "scan", "bitmap", "extents"
  std::uint64_t device_bytes = 0;
  std::uint64_t scanned_bytes = 0;  // read from the device; known holes are not read
  std::uint64_t changed_bytes = 0;  // bytes of chunks that differ from the parent snapshot
  std::uint64_t stored_bytes = 0;   // bytes of chunks written to the store
  std::uint64_t zero_bytes = 0;     // bytes of chunks that are all zero
  double elapsed_seconds = 0;
  double scan_seconds = 0;  // of them: to read scanned_bytes, compare and store what is new
  std::string root_digest;
  std::string recognised_by;  // the evidence that identified the device; empty for an import
  TakenFrom taken_from = TakenFrom::kOffline;
  std::vector<std::string> frozen;    // mount points of the file systems that were frozen
  std::uint64_t frozen_us = 0;        // from the first of them to the last, in microseconds
  std::uint32_t passes = 1;           // over what had been written meanwhile, the last included
  std::uint64_t last_pass_bytes = 0;  // read while they were frozen, or while it was quiet
};

struct RollbackReceipt {
  std::string request_id;  // UUID in upper case
  std::string disk_id;
  std::string snapshot_id;
  std::optional<std::string> undo_snapshot_id;
  // The change source: "scan", "bitmap", "extents"
  std::string change_source;
  bool dry_run = false;
  std::uint64_t device_bytes = 0;
  std::uint64_t scanned_bytes = 0;  // read from the device to find out what differs
  // Bytes of chunks that differ from the target; if the device was not read, of chunks that may
  // differ
  std::uint64_t changed_bytes = 0;
  std::uint64_t restored_bytes = 0;     // streamed from the store to the device
  std::uint64_t zeroed_bytes = 0;       // punched or written as zeroes
  std::uint64_t undo_stored_bytes = 0;  // bytes of chunks that the undo capture wrote to the store
  std::uint64_t extents = 0;            // merged requests of the plan
  double elapsed_seconds = 0;
  double scan_seconds = 0;  // of them: to read scanned_bytes, or to find out without reading
  // Of them, without undo: to verify, before the first write, what will be written
  double verify_seconds = 0;
  double restore_seconds = 0;  // of them: to write it back
  // Of the device: sectors that could not be read. They were written anew; the undo snapshot holds
  // a mark there instead of what they held.
  std::uint64_t unreadable_bytes = 0;
  std::vector<Extent> unreadable;  // the first extents
  // If the target is an undo snapshot: bytes that could not be read when it was taken. The device
  // now holds placeholders there.
  std::uint64_t marked_bytes = 0;
  bool ended_interrupted = false;  // it ended a rollback that had been interrupted
  // For a resume, or an undo of an interrupted rollback: the snapshot of data that had been written
  // to the device since the interruption, saved before it was overwritten.
  std::optional<std::string> kept_snapshot_id;
  std::uint64_t kept_bytes = 0;
  // What was read back from the device afterwards and matched: "none", "written", "all"
  std::string verified_after = "none";
  std::uint64_t read_back_bytes = 0;             // of the written data
  std::optional<std::uint64_t> rechecked_bytes;  // if "all": of the whole device
  // Digest of the device's content afterwards; an expected digest if nothing was read back
  std::string root_digest;
  // "unchanged": the kernel's partitions match the partition table on the device; "reread": the
  // kernel has updated them; "stale": they do not match until partition_remedy is done. Empty:
  // there is no table, or the device is not a whole disk.
  std::string partition_table;
  std::string partition_reason;  // if "stale"
  Remedy partition_remedy;       // if "stale": programs to run, each after the one before it
  std::string recognised_by;     // the evidence that identified the device
};

struct CloneReceipt {
  std::string disk_id;      // the new disk
  std::string snapshot_id;  // its first snapshot
  std::string origin_disk_id;
  std::string origin_snapshot_id;
  bool file_created = false;       // the target did not exist
  std::uint64_t stored_bytes = 0;  // bytes of chunks and tree nodes that the store took for it
  RollbackReceipt rollback;        // of the target to the snapshot
  double elapsed_seconds = 0;
};

struct DiffReceipt {
  std::string from;  // a snapshot id, or empty for the device
  std::string to;
  std::uint64_t device_bytes = 0;
  std::uint64_t scanned_bytes = 0;
  std::uint64_t changed_bytes = 0;
  std::uint64_t extents = 0;
  std::uint64_t unreadable_bytes = 0;  // of sectors that could not be read; they count as different
  std::vector<Extent> unreadable;      // the first extents
  double elapsed_seconds = 0;
  double scan_seconds = 0;  // of them: to read scanned_bytes
};

struct VerifyReceipt {
  std::uint64_t snapshots = 0;
  std::uint64_t chunks = 0;  // distinct stored chunks read
  std::uint64_t verified_bytes = 0;
  std::vector<std::string> damaged;  // ids of damaged snapshots
  // Ids of snapshots that could not be read in full (permissions, a failing medium, a limit of the
  // process). This is not damage, and is not recorded.
  std::vector<std::string> unreadable;
  std::optional<Error> unreadable_because;  // the first error of these
  std::vector<std::string> findings;        // one line each, at most 100
  // If all were to be verified: what is known of these disks was not.
  std::vector<UnreadableDisk> unreadable_disks;
  // Logs that can be read, but would not show if they lost a record now.
  std::vector<Error> damaged_logs;
  double elapsed_seconds = 0;
};

struct ExportReceipt {
  std::string snapshot_id;
  std::uint64_t device_bytes = 0;
  Extent range;  // of the device: what was exported
  std::uint64_t written_bytes = 0;
  std::uint64_t zero_bytes = 0;
  double elapsed_seconds = 0;
  std::string root_digest;  // empty unless all of it was exported
};

struct DeleteReceipt {
  std::string snapshot_id;
  std::uint64_t reclaimed_bytes = 0;  // bytes of the store freed on the file system
  double elapsed_seconds = 0;
};

struct CollectReceipt {
  std::uint64_t reclaimed_bytes = 0;
  std::uint64_t removed_files = 0;  // orphan segments and temporary files
  std::uint64_t finished_deletes = 0;
  bool checkpointed = false;
  double elapsed_seconds = 0;
};

struct UpgradeReceipt {
  bool upgraded = false;  // false: the store had the present format already, and the rest is zero
  bool resumed = false;   // an earlier upgrade had been interrupted; this one completed it
  std::uint64_t disks = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t moved_segments = 0;   // by this call
  std::vector<std::string> warnings;  // one line each
  double elapsed_seconds = 0;
};

}  // namespace blkrewind
