#include "control/rules/reset_rules.h"

#include <array>
#include <utility>

#include "base/remedies.h"

namespace blkrewind::control {
namespace {

constexpr std::array<RuleText, kResetRules> kTexts = {{
    {ApiCode::kMissingParameter,
     "The input parameter \"DiskId\" that is mandatory for processing this request is not "
     "supplied."},
    {ApiCode::kMissingParameter,
     "The input parameter \"SnapshotId\" that is mandatory for processing this request is not "
     "supplied."},
    {ApiCode::kDiskNotFound, "The specified disk does not exist."},
    {ApiCode::kSnapshotNotFound, "The specified snapshot does not exist."},
    {ApiCode::kMismatch, "The specified snapshot is not created from the specified disk."},
    {ApiCode::kSnapshotNotReady, "The specified snapshot has not completed yet."},
    {ApiCode::kOperationDenied, "The specified snapshot dees not support ResetDisk."},
    {ApiCode::kSnapshotTooOld,
     "The snapshotId is created before 2013-07-15, it cannot be restored since the first time the "
     "disk detached."},
    {ApiCode::kResetInProgress,
     "The operation cannot be performed because the disk has an ongoing reset task, please try "
     "again later."},
    {ApiCode::kUnfinishedSnapshot, "The current disk has unfinished snapshot."},
    {ApiCode::kDiskStatus, "The current disk status does not support this operation."},
    {ApiCode::kLockedForSecurity, "The instance is locked due to security."},
    {ApiCode::kExpiredOrInArrears,
     "The specified operation is denied as your prepay instance is expired (prepay mode) or in "
     "arrears (afterpay mode)."},
    {ApiCode::kInstanceStatus,
     "The current status of the resource does not support this operation."},
    {ApiCode::kDryRun, "Request validation has been passed with DryRun flag set."},
}};

// The device in a remedy: its path, or the caller's argument if there is none.
const std::string& name_of(const ResetFacts& facts) {
  return facts.disk && !facts.disk->path.empty() ? facts.disk->path : facts.target;
}

std::optional<Refusal> refuse(ResetRule rule, Remedy remedy) {
  return Refusal{rule, std::move(remedy)};
}

// Rules 1 to 5: the requested objects exist and belong together.
std::optional<Refusal> check_request(const ResetFacts& facts) {
  if (facts.target.empty()) {
    return refuse(
        ResetRule::kMissingDiskId,
        look_into_list("name a block device, an image file or a disk id, as the list shows them"));
  }
  if (facts.snapshot_text.empty()) {
    return refuse(
        ResetRule::kMissingSnapshotId,
        look_into_list("name a snapshot: an id, a name or \"latest\", as the list shows them"));
  }
  if (!facts.disk) {
    return refuse(ResetRule::kDiskNotFound, look_into_list("see the disks that are registered")
                                                .because(facts.target + " is not registered"));
  }
  if (!facts.snapshot) {
    return refuse(ResetRule::kSnapshotNotFound,
                  look_into_list("see its snapshots", name_of(facts))
                      .because("there is no snapshot \"" + facts.snapshot_text + "\""));
  }
  if (!facts.snapshot->of_this_disk) {
    return refuse(ResetRule::kMismatch,
                  look_into_list("see the snapshots of this disk", name_of(facts)));
  }
  return std::nullopt;
}

Remedy export_it(std::string text, const SnapshotFacts& snapshot) {
  return {Verb::kExport,
          std::move(text),
          {{Parameter::kSnapshot, snapshot.id}, {Parameter::kFile, {}}}};
}

// A snapshot of the same content that can be restored.
Remedy copy_of(const ResetFacts& facts) {
  return export_it("export the snapshot to a file", *facts.snapshot)
      .and_then({Verb::kImport,
                 "import that file as a new snapshot",
                 {{Parameter::kTarget, name_of(facts)}, {Parameter::kFile, {}}}});
}

std::optional<Refusal> check_geometry(const ResetFacts& facts) {
  const SnapshotFacts& snapshot = *facts.snapshot;
  const DiskFacts& disk = *facts.disk;
  if (disk.device_bytes && *disk.device_bytes != snapshot.device_bytes) {
    return refuse(
        ResetRule::kOperationDenied,
        Remedy("give the device its former size")
            .or_else(export_it("export the snapshot to a file", snapshot))
            .because("the snapshot is of " + format_bytes(snapshot.device_bytes) + " (" +
                     std::to_string(snapshot.device_bytes) + " bytes) and " + name_of(facts) +
                     " has " + std::to_string(*disk.device_bytes) + " bytes now"));
  }
  if (snapshot.chunk_bytes != disk.chunk_bytes) {
    return refuse(
        ResetRule::kOperationDenied,
        copy_of(facts).because("the snapshot has chunks of " + format_bytes(snapshot.chunk_bytes) +
                               " and the disk of " + format_bytes(disk.chunk_bytes)));
  }
  // An interrupted rollback can only be resumed or undone: intact chunks are restored.
  if (snapshot.damaged && !facts.continues_pending) {
    return refuse(
        ResetRule::kOperationDenied,
        Remedy("choose another one")
            .or_else(
                {Verb::kVerify, "see where it is damaged", {{Parameter::kSnapshot, snapshot.id}}})
            .because("the snapshot is damaged in the store"));
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
    return refuse(ResetRule::kNotReady, Remedy(Verb::kDelete, "delete it and take a new one",
                                               {{Parameter::kSnapshot, snapshot.id}})
                                            .because("it failed"));
  }
  if (auto refusal = check_geometry(facts)) return refusal;
  if (snapshot.imported && snapshot.created_at < kTooOldBefore &&
      was_detached_since(*facts.disk, snapshot)) {
    return refuse(ResetRule::kTooOld, copy_of(facts));
  }
  return std::nullopt;
}

// Rules 9 to 11: the disk can be reset now.
std::optional<Refusal> check_disk(const ResetFacts& facts) {
  const DiskFacts& disk = *facts.disk;
  if (disk.reset_pending && !facts.continues_pending) {
    return refuse(ResetRule::kResetInProgress,
                  disk.reset_running
                      ? Remedy("wait until it has ended").because("a rollback of it is running")
                      : ways_out(name_of(facts), disk.reset_has_undo));
  }
  if (disk.taking_snapshot) {
    return refuse(ResetRule::kUnfinishedSnapshot,
                  Remedy("wait until it has ended").because("a snapshot of it is being taken"));
  }
  if (disk.instance.id.empty() && !facts.accept_available) {
    return refuse(ResetRule::kDiskStatus,
                  Remedy(Verb::kDiskAttach, "attach it first",
                         {{Parameter::kTarget, name_of(facts)}, {Parameter::kInstance, "i-local"}})
                      .because("it is Available"));
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
                  Remedy(Verb::kInstanceUnlock, "unlock it",
                         {{Parameter::kInstance, instance.id}, {Parameter::kReason, "security"}}));
  }
  if (in_use && instance.expired) {
    return refuse(ResetRule::kExpiredOrInArrears,
                  Remedy(Verb::kInstanceSet, "renew it",
                         {{Parameter::kInstance, instance.id}, {Parameter::kExpiresAt, "never"}}));
  }
  if (in_use && instance.in_arrears) {
    return refuse(ResetRule::kExpiredOrInArrears,
                  Remedy(Verb::kInstanceSet, "settle it",
                         {{Parameter::kInstance, instance.id}, {Parameter::kArrears, "no"}}));
  }
  if (in_use && !instance.local && !instance.recorded) {
    return refuse(
        ResetRule::kInstanceStatus,
        Remedy(Verb::kDiskDetach, "detach the disk", {{Parameter::kTarget, name_of(facts)}})
            .and_then({Verb::kDiskAttach,
                       "attach it to another instance",
                       {{Parameter::kTarget, name_of(facts)}, {Parameter::kInstance, {}}}})
            .because("the catalog does not know " + instance.id + " any more"));
  }
  if (in_use && !instance.local && !instance.stopped) {
    return refuse(ResetRule::kInstanceStatus,
                  Remedy(Verb::kInstanceStop, "stop it", {{Parameter::kInstance, instance.id}}));
  }
  if (!facts.disk->used_by.empty()) {
    const host::UsedBy& use = facts.disk->used_by.front();
    std::string reason = name_of(facts) + " is " + use.what;
    if (use.what.find(" is ") != std::string::npos || use.what.starts_with("backs ")) {
      reason = name_of(facts) + ": " + use.what;  // "partition /dev/loop0p1 is mounted on /mnt"
    }
    return refuse(ResetRule::kInstanceStatus, Remedy(use.remedy).because(std::move(reason)));
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

Error to_error(const Refusal& refusal) { return refused(refusal.rule, refusal.remedy); }

Error refused(ResetRule rule, Remedy remedy) {
  return refused_as(Errc::kPrecondition, rule, std::move(remedy));
}

Error refused_as(Errc code, ResetRule rule, Remedy remedy) {
  const RuleText& text = text_of(rule);
  Error error;
  error.code = code;
  error.api = text.api;
  error.message = text.message;
  error.remedy = std::move(remedy);
  return error;
}

Error conflict(const std::string& path) {
  Error error;
  error.code = Errc::kBusy;
  error.api = ApiCode::kConflict;
  error.message = "The operation may conflicts with others.";
  error.remedy = Remedy("wait until it has ended")
                     .because("another operation works on " + path + " right now");
  return error;
}

}  // namespace blkrewind::control
