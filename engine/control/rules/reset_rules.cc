#include "control/rules/reset_rules.h"

#include <array>
#include <utility>

#include "blkrewind/shell.h"

namespace blkrewind::control {
namespace {

constexpr std::array<RuleText, kResetRules> kTexts = {{
    {"MissingParameter", 400,
     "The input parameter \"DiskId\" that is mandatory for processing this request is not "
     "supplied."},
    {"MissingParameter", 400,
     "The input parameter \"SnapshotId\" that is mandatory for processing this request is not "
     "supplied."},
    {"InvalidDiskId.NotFound", 404, "The specified disk does not exist."},
    {"InvalidSnapshotId.NotFound", 404, "The specified snapshot does not exist."},
    {"InvalidParameter.Mismatch", 403,
     "The specified snapshot is not created from the specified disk."},
    {"InvalidSnapshotId.NotReady", 403, "The specified snapshot has not completed yet."},
    {"OperationDenied", 403, "The specified snapshot dees not support ResetDisk."},
    {"InvalidSnapshot.TooOld", 403,
     "The snapshotId is created before 2013-07-15, it cannot be restored since the first time the "
     "disk detached."},
    {"InvalidOperation.DiskResetInProgress", 403,
     "The operation cannot be performed because the disk has an ongoing reset task, please try "
     "again later."},
    {"IncorrectDiskStatus.HasUnfinishedSnapshot", 403, "The current disk has unfinished snapshot."},
    {"IncorrectDiskStatus", 403, "The current disk status does not support this operation."},
    {"InstanceLockedForSecurity", 403, "The instance is locked due to security."},
    {"InstanceExpiredOrInArrears", 403,
     "The specified operation is denied as your prepay instance is expired (prepay mode) or in "
     "arrears (afterpay mode)."},
    {"IncorrectInstanceStatus", 403,
     "The current status of the resource does not support this operation."},
    {"DryRunOperation", 400, "Request validation has been passed with DryRun flag set."},
}};

// The device in a hint: its path, or the caller's argument if there is none.
const std::string& name_of(const ResetFacts& facts) {
  return facts.disk && !facts.disk->path.empty() ? facts.disk->path : facts.target;
}

// The same, as a word of a command.
std::string word_of(const ResetFacts& facts) { return shell_word(name_of(facts)); }

std::optional<Refusal> refuse(ResetRule rule, std::string hint) {
  const RuleText& text = text_of(rule);
  return Refusal{rule, text.api_code, text.http_status, text.message, std::move(hint)};
}

// Rules 1 to 5: the requested objects exist and belong together.
std::optional<Refusal> check_request(const ResetFacts& facts) {
  if (facts.target.empty()) {
    return refuse(ResetRule::kMissingDiskId,
                  "name a block device, an image file or a disk id (blkrewind list shows them)");
  }
  if (facts.snapshot_text.empty()) {
    return refuse(ResetRule::kMissingSnapshotId,
                  "name a snapshot: an id, a name or \"latest\" (blkrewind list shows them)");
  }
  if (!facts.disk) {
    return refuse(ResetRule::kDiskNotFound, "see what is registered: blkrewind list");
  }
  if (!facts.snapshot) {
    return refuse(ResetRule::kSnapshotNotFound,
                  "see its snapshots: blkrewind list " + word_of(facts));
  }
  if (!facts.snapshot->of_this_disk) {
    return refuse(ResetRule::kMismatch,
                  "see the snapshots of this disk: blkrewind list " + word_of(facts));
  }
  return std::nullopt;
}

std::optional<Refusal> check_geometry(const ResetFacts& facts) {
  const SnapshotFacts& snapshot = *facts.snapshot;
  const DiskFacts& disk = *facts.disk;
  if (disk.device_bytes && *disk.device_bytes != snapshot.device_bytes) {
    return refuse(ResetRule::kOperationDenied,
                  "the snapshot is of " + format_bytes(snapshot.device_bytes) + " (" +
                      std::to_string(snapshot.device_bytes) + " bytes) and " + name_of(facts) +
                      " has " + std::to_string(*disk.device_bytes) +
                      " bytes now: give the device its former size, or export the snapshot to a "
                      "file: blkrewind export " +
                      snapshot.id + " FILE");
  }
  if (snapshot.chunk_bytes != disk.chunk_bytes) {
    return refuse(ResetRule::kOperationDenied,
                  "the snapshot has chunks of " + format_bytes(snapshot.chunk_bytes) +
                      " and the disk of " + format_bytes(disk.chunk_bytes) +
                      ": export the snapshot to a file and import that: blkrewind export " +
                      snapshot.id + " FILE");
  }
  // An interrupted rollback can only be resumed or undone: intact chunks are restored.
  if (snapshot.damaged && !facts.continues_pending) {
    return refuse(ResetRule::kOperationDenied,
                  "the snapshot is damaged in the store (blkrewind verify " + snapshot.id +
                      " says where): choose another one");
  }
  return std::nullopt;
}

// By number, because times come from clocks that can be set.
bool was_detached_since(const DiskFacts& disk, const SnapshotFacts& snapshot) {
  if (disk.detached_before != 0) return snapshot.number < disk.detached_before;
  return disk.detached_at > snapshot.created_at;  // a catalog from before version 3
}

// Rules 6 to 8: the snapshot can be restored at all.
std::optional<Refusal> check_snapshot(const ResetFacts& facts) {
  const SnapshotFacts& snapshot = *facts.snapshot;
  if (snapshot.status == SnapshotStatus::kProgressing) {
    return refuse(ResetRule::kNotReady, "wait until it has been taken, or choose another one");
  }
  if (snapshot.status == SnapshotStatus::kFailed) {
    return refuse(ResetRule::kNotReady,
                  "it failed: delete it and take a new one: blkrewind delete " + snapshot.id);
  }
  if (auto refusal = check_geometry(facts)) return refusal;
  if (snapshot.imported && snapshot.created_at < kTooOldBefore &&
      was_detached_since(*facts.disk, snapshot)) {
    return refuse(ResetRule::kTooOld, "make a new snapshot of its content: blkrewind export " +
                                          snapshot.id + " FILE, then blkrewind import " +
                                          word_of(facts) + " FILE");
  }
  return std::nullopt;
}

// Rules 9 to 11: the disk can be reset now.
std::optional<Refusal> check_disk(const ResetFacts& facts) {
  const DiskFacts& disk = *facts.disk;
  if (disk.reset_pending && !facts.continues_pending) {
    return refuse(ResetRule::kResetInProgress,
                  disk.reset_running
                      ? "a rollback of it is running: wait until it has ended"
                      : "a rollback of it was interrupted: finish it with blkrewind resume " +
                            word_of(facts) + " or take it back with blkrewind undo " +
                            word_of(facts));
  }
  if (disk.taking_snapshot) {
    return refuse(ResetRule::kUnfinishedSnapshot,
                  "a snapshot of it is being taken: wait until it has ended");
  }
  if (disk.instance.id.empty() && !facts.accept_available) {
    return refuse(ResetRule::kDiskStatus,
                  "it is Available: attach it first: blkrewind disk attach " + word_of(facts) +
                      " --instance i-local");
  }
  return std::nullopt;
}

// Rules 12 to 14. The first two count only while the disk is In_use; a device in use is never
// touched, whatever the catalog says.
std::optional<Refusal> check_instance(const ResetFacts& facts) {
  const InstanceFacts& instance = facts.disk->instance;
  const bool in_use = !instance.id.empty();
  if (in_use && instance.locked_for_security) {
    return refuse(ResetRule::kLockedForSecurity,
                  "unlock it: blkrewind instance unlock " + instance.id + " --reason security");
  }
  if (in_use && instance.expired) {
    return refuse(ResetRule::kExpiredOrInArrears,
                  "renew it: blkrewind instance set " + instance.id + " --expires-at never");
  }
  if (in_use && instance.in_arrears) {
    return refuse(ResetRule::kExpiredOrInArrears,
                  "settle it: blkrewind instance set " + instance.id + " --arrears no");
  }
  if (in_use && !instance.local && !instance.recorded) {
    return refuse(ResetRule::kInstanceStatus,
                  "the catalog does not know " + instance.id +
                      " any more: detach the disk and attach it to another instance");
  }
  if (in_use && !instance.local && !instance.stopped) {
    return refuse(ResetRule::kInstanceStatus, "stop it: blkrewind instance stop " + instance.id);
  }
  if (!facts.disk->used_by.empty()) {
    const host::UsedBy& use = facts.disk->used_by.front();
    std::string hint = name_of(facts) + " is " + use.what;
    if (use.what.find(" is ") != std::string::npos || use.what.starts_with("backs ")) {
      hint = name_of(facts) + ": " + use.what;  // "partition /dev/loop0p1 is mounted on /mnt"
    }
    if (!use.hint.empty()) hint += ": " + use.hint;
    return refuse(ResetRule::kInstanceStatus, std::move(hint));
  }
  return std::nullopt;
}

}  // namespace

const RuleText& text_of(ResetRule rule) { return kTexts[static_cast<std::size_t>(rule)]; }

std::optional<Refusal> decide_reset(const ResetFacts& facts) {
  if (auto refusal = check_request(facts)) return refusal;
  if (auto refusal = check_snapshot(facts)) return refusal;
  if (auto refusal = check_disk(facts)) return refusal;
  if (auto refusal = check_instance(facts)) return refusal;
  if (facts.api_dry_run) {
    return refuse(ResetRule::kDryRun, "send the request without DryRun to reset the disk");
  }
  return std::nullopt;
}

Error to_error(const Refusal& refusal) { return refused(refusal.rule, refusal.hint); }

Error refused(ResetRule rule, std::string hint) {
  return refused_as(Errc::kPrecondition, rule, std::move(hint));
}

Error refused_as(Errc code, ResetRule rule, std::string hint) {
  const RuleText& text = text_of(rule);
  Error error;
  error.code = code;
  error.api_code = text.api_code;
  error.http_status = text.http_status;
  error.message = text.message;
  error.hint = std::move(hint);
  return error;
}

Error conflict(const std::string& path) {
  Error error;
  error.code = Errc::kBusy;
  error.api_code = "Operation.Conflict";
  error.http_status = 403;
  error.message = "The operation may conflicts with others.";
  error.hint = "another operation works on " + path + " right now: wait until it has ended";
  return error;
}

}  // namespace blkrewind::control
