// Whether a disk may be reset to a snapshot: the preconditions of the cloud API ResetDisk.
//
// A pure decision over values, without I/O: facts.h gathers them for every caller (command line,
// embedding program, HTTP endpoint). Any thread; no state. The codes and exact messages (the
// spelling "dees" is the API's own) are those of the API, product ECS, version 2014-05-26; the last
// three rules but one of the list below are of its current version.
//
// The rules are checked in this order and the first violated one is the result: errors in the
// request come first, then states that can never work, then states that pass by themselves, then
// states that an administrator has to change.
//
//    1  MissingParameter                          no disk was named
//    2  MissingParameter                          no snapshot was named
//    3  InvalidDiskId.NotFound                    no such disk, or not registered
//    4  InvalidSnapshotId.NotFound                no such snapshot
//    5  InvalidParameter.Mismatch                 the snapshot belongs to another disk
//    6  InvalidSnapshotId.NotReady                it is being taken, or it failed
//    7  OperationDenied                           size or chunk size of another disk; or damaged,
//                                                 except to finish a pending rollback
//    8  InvalidSnapshot.TooOld                    import of 2013-07-15 or before, then detached
//    9  InvalidOperation.DiskResetInProgress      a rollback of the disk has not finished
//   10  IncorrectDiskStatus.HasUnfinishedSnapshot a snapshot of the disk is being taken
//   11  IncorrectDiskStatus                       not In_use (nor Available if that is accepted)
//   12  InstanceLockedForSecurity                 only while In_use
//   13  InstanceExpiredOrInArrears                only while In_use
//   14  IncorrectInstanceStatus                   not Stopped, or the device is in use
//   15  DryRunOperation                           all rules are met, and DryRun was requested
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/info.h"
#include "host/device_info.h"

namespace blkrewind::control {

// In the order in which they are checked.
enum class ResetRule : std::uint8_t {
  kMissingDiskId,
  kMissingSnapshotId,
  kDiskNotFound,
  kSnapshotNotFound,
  kMismatch,
  kNotReady,
  kOperationDenied,
  kTooOld,
  kResetInProgress,
  kUnfinishedSnapshot,
  kDiskStatus,
  kLockedForSecurity,
  kExpiredOrInArrears,
  kInstanceStatus,
  kDryRun,
};
inline constexpr std::size_t kResetRules = 15;

struct RuleText {
  ApiCode api;
  std::string_view message;
};
[[nodiscard]] const RuleText& text_of(ResetRule rule);

// 2013-07-15 is the last day of the rule TooOld; it does not apply to snapshots from this second
// on. Nor does it apply to snapshots that this program took itself, which are newer: its clock was
// wrong.
inline constexpr std::int64_t kTooOldBefore = 1373932800;  // 2013-07-16T00:00:00Z

struct SnapshotFacts {
  std::string id;
  std::uint64_t number = 0;  // in the order in which the log recorded them
  bool imported = false;
  bool of_this_disk = true;
  SnapshotStatus status = SnapshotStatus::kAccomplished;  // a progressing one is really in progress
  bool damaged = false;
  std::int64_t created_at = 0;
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
};

struct InstanceFacts {
  std::string id;        // empty while the disk is Available
  bool local = false;    // observed, not recorded: Running exactly while the device is in use
  bool recorded = true;  // false: the catalog does not know the instance
  bool stopped = true;   // for a named instance: from the catalog
  bool locked_for_security = false;
  bool expired = false;
  bool in_arrears = false;
};

struct DiskFacts {
  std::string id;
  std::string path;  // of the device, for remedies
  std::uint32_t chunk_bytes = 0;
  std::optional<std::uint64_t> device_bytes;  // now; nullopt: it could not be determined
  std::int64_t detached_at = 0;               // the most recent time; 0: never
  std::uint64_t detached_before = 0;          // number of the first snapshot after that; 0: unknown
  bool reset_pending = false;    // a rollback has started to write and has not finished
  bool reset_has_undo = false;   // and it can be undone
  bool reset_running = false;    // and its process is alive
  bool taking_snapshot = false;  // a snapshot of it is progressing and its process is alive
  InstanceFacts instance;
  std::vector<host::UsedBy> used_by;  // the current users of the device
};

struct ResetFacts {
  std::string target;                     // as the caller wrote it
  std::string snapshot_text;              // as the caller wrote it
  std::optional<DiskFacts> disk;          // nullopt: not found
  std::optional<SnapshotFacts> snapshot;  // nullopt: not found
  bool accept_available = false;          // as in the current API; false: In_use only
  bool continues_pending = false;  // the caller itself resumes or undoes the pending rollback
  bool api_dry_run = false;        // the API's DryRun
};

struct Refusal {
  ResetRule rule = ResetRule::kMissingDiskId;
  Remedy remedy;
};

// nullopt: all rules are met.
[[nodiscard]] std::optional<Refusal> decide_reset(const ResetFacts& facts);

// The error of a refusal: kPrecondition for every rule, because nothing was changed.
[[nodiscard]] Error to_error(const Refusal& refusal);
// A refusal by another operation with the same code and message.
[[nodiscard]] Error refused(ResetRule rule, Remedy remedy);
// The same with another class of error: kNotFound for operations that are not a reset.
[[nodiscard]] Error refused_as(Errc code, ResetRule rule, Remedy remedy);

// "Operation.Conflict": another operation of blkrewind works on the disk. kBusy: waiting is enough.
[[nodiscard]] Error conflict(const std::string& path);

}  // namespace blkrewind::control
