// Facts of a reset that passes, and each way to break one rule of it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "control/rules/reset_rules.h"

namespace blkrewind::control {

inline constexpr std::uint64_t kDeviceBytes = 100 * kMiB;

// A request that passes: a stopped named instance, an accomplished snapshot of the disk.
inline ResetFacts passing() {
  ResetFacts facts;
  facts.target = "/dev/loop7";
  facts.snapshot_text = "before";
  DiskFacts disk;
  disk.id = "d-1";
  disk.path = "/dev/loop7";
  disk.chunk_bytes = kDefaultChunkBytes;
  disk.device_bytes = kDeviceBytes;
  disk.instance.id = "i-1";
  facts.disk = disk;
  SnapshotFacts snapshot;
  snapshot.id = "s-1";
  snapshot.created_at = 1'500'000'000;
  snapshot.device_bytes = kDeviceBytes;
  snapshot.chunk_bytes = kDefaultChunkBytes;
  facts.snapshot = snapshot;
  return facts;
}

inline ResetFacts passing_locally() {
  ResetFacts facts = passing();
  facts.disk->instance = {};
  facts.disk->instance.id = "i-local";
  facts.disk->instance.local = true;
  return facts;
}

struct Violation {
  ResetRule rule;
  const char* name;
  std::function<void(ResetFacts&)> apply;
  const char* words;  // a part of what the remedy says
};

inline const std::vector<Violation>& violations() {
  static const std::vector<Violation> all = {
      {ResetRule::kMissingDiskId, "no disk", [](ResetFacts& f) { f.target.clear(); }, "disk id"},
      {ResetRule::kMissingSnapshotId, "no snapshot", [](ResetFacts& f) { f.snapshot_text.clear(); },
       "latest"},
      {ResetRule::kDiskNotFound, "unknown disk", [](ResetFacts& f) { f.disk.reset(); }, "list"},
      {ResetRule::kSnapshotNotFound, "unknown snapshot", [](ResetFacts& f) { f.snapshot.reset(); },
       "list /dev/loop7"},
      {ResetRule::kMismatch, "of another disk",
       [](ResetFacts& f) { f.snapshot->of_this_disk = false; }, "of this disk"},
      {ResetRule::kNotReady, "progressing",
       [](ResetFacts& f) { f.snapshot->status = SnapshotStatus::kProgressing; }, "wait"},
      {ResetRule::kNotReady, "failed",
       [](ResetFacts& f) { f.snapshot->status = SnapshotStatus::kFailed; }, "delete s-1"},
      {ResetRule::kOperationDenied, "larger device",
       [](ResetFacts& f) { f.disk->device_bytes = kDeviceBytes + 512; }, "104858112 bytes now"},
      {ResetRule::kOperationDenied, "other chunks",
       [](ResetFacts& f) { f.snapshot->chunk_bytes = 4096; }, "4 KiB"},
      {ResetRule::kOperationDenied, "damaged", [](ResetFacts& f) { f.snapshot->damaged = true; },
       "verify s-1"},
      {ResetRule::kTooOld, "too old",
       [](ResetFacts& f) {
         f.snapshot->created_at = kTooOldBefore - 1;
         f.snapshot->imported = true;
         f.disk->detached_at = 1'600'000'000;
       },
       "export s-1 ; then import that file as a new snapshot: import /dev/loop7"},
      {ResetRule::kResetInProgress, "interrupted rollback",
       [](ResetFacts& f) { f.disk->reset_pending = f.disk->reset_has_undo = true; },
       "resume /dev/loop7; or take it back: undo /dev/loop7"},
      {ResetRule::kResetInProgress, "running rollback",
       [](ResetFacts& f) { f.disk->reset_pending = f.disk->reset_running = true; }, "wait"},
      {ResetRule::kUnfinishedSnapshot, "snapshot being taken",
       [](ResetFacts& f) { f.disk->taking_snapshot = true; }, "wait"},
      {ResetRule::kDiskStatus, "available", [](ResetFacts& f) { f.disk->instance.id.clear(); },
       "disk attach /dev/loop7 i-local"},
      {ResetRule::kLockedForSecurity, "locked",
       [](ResetFacts& f) { f.disk->instance.locked_for_security = true; },
       "instance unlock i-1 security"},
      {ResetRule::kExpiredOrInArrears, "expired",
       [](ResetFacts& f) { f.disk->instance.expired = true; }, "instance set i-1 never"},
      {ResetRule::kExpiredOrInArrears, "in arrears",
       [](ResetFacts& f) { f.disk->instance.in_arrears = true; }, "instance set i-1 no"},
      {ResetRule::kInstanceStatus, "running",
       [](ResetFacts& f) { f.disk->instance.stopped = false; }, "instance stop i-1"},
      {ResetRule::kInstanceStatus, "of an unknown instance",
       [](ResetFacts& f) {
         f.disk->instance.recorded = false;
         f.disk->instance.stopped = false;
       },
       "does not know i-1"},
      {ResetRule::kInstanceStatus, "mounted",
       [](ResetFacts& f) {
         f.disk->used_by = {{"mounted on /mnt", run_program("unmount it", "umount", {"/mnt"})}};
       },
       "/dev/loop7 is mounted on /mnt; unmount it: umount /mnt"},
      {ResetRule::kDryRun, "dry run", [](ResetFacts& f) { f.api_dry_run = true; }, "DryRun"},
  };
  return all;
}

}  // namespace blkrewind::control
