#include "control/rules/facts.h"

#include <utility>

#include "operations/recognise.h"

namespace blkrewind::control {
namespace {

// Unknown is not free: the instance then counts as running.
std::vector<host::UsedBy> uses_of(const host::DeviceInfo& device) {
  std::vector<host::UsedBy> uses = device.used_by;
  for (const host::Unknown& unknown : device.unknown) {
    uses.push_back({"cannot tell whether it is in use: " + unknown.what, unknown.remedy});
  }
  return uses;
}

Result<InstanceFacts> instance_facts(const FactSources& sources, const std::string& disk_id) {
  InstanceFacts facts;
  BLKREWIND_ASSIGN(const auto attachment, sources.catalog->attachment(disk_id));
  facts.id = attachment ? attachment->instance_id : std::string(kLocalInstance);
  if (facts.id.empty()) return facts;
  facts.local = facts.id == kLocalInstance;
  BLKREWIND_ASSIGN(const auto row, sources.catalog->instance(facts.id));
  facts.recorded = row.has_value();
  if (!row) {
    facts.stopped = false;
    return facts;
  }
  facts.stopped = facts.local || row->status == kStopped;
  facts.locked_for_security = row->has_lock(kSecurityLock);
  facts.expired = row->expires_at != 0 && row->expires_at <= sources.now;
  facts.in_arrears = row->in_arrears;
  return facts;
}

Result<DiskFacts> disk_facts(const FactSources& sources, const ResetFound& found) {
  const DiskView& view = *found.disk;
  DiskFacts facts;
  facts.id = view.disk.id;
  facts.path = found.path;
  facts.chunk_bytes = view.disk.chunk_bytes;
  BLKREWIND_ASSIGN(const auto attachment, sources.catalog->attachment(view.disk.id));
  if (attachment) {
    facts.detached_at = attachment->detached_at;
    facts.detached_before = attachment->detached_before;
  }
  facts.reset_pending = view.intent.has_value() || waits_for_reset(view);
  facts.reset_has_undo = view.intent && view.intent->undo != 0;
  facts.reset_running = facts.reset_pending && view.locked;
  for (const format::SnapshotRecord& snapshot : view.snapshots) {
    if (status_now(snapshot, view.locked) == SnapshotStatus::kProgressing) {
      facts.taking_snapshot = true;
    }
  }
  BLKREWIND_ASSIGN(facts.instance, instance_facts(sources, view.disk.id));
  DeviceNow device = view.device ? DeviceNow{view.device->size_bytes, uses_of(*view.device)}
                                 : observe_device(*sources.env, view.disk, found.path);
  facts.device_bytes = device.size_bytes;
  facts.used_by = std::move(device.used_by);
  return facts;
}

}  // namespace

DeviceNow observe_device(io::Env& env, const format::DiskRecord& disk, const std::string& path) {
  auto probed = env.probe(path);
  if (!probed || !is_certain(judge(*probed, disk).verdict)) return {};
  return {probed->size_bytes, uses_of(*probed)};
}

bool waits_for_reset(const DiskView& view) {
  return view.locked && view.reset && view.reset->state == ResetState::kAccepted;
}

SnapshotStatus status_now(const format::SnapshotRecord& snapshot, bool disk_locked) {
  switch (snapshot.state) {
    case format::SnapshotState::kAccomplished:
      return SnapshotStatus::kAccomplished;
    case format::SnapshotState::kProgressing:
      return disk_locked ? SnapshotStatus::kProgressing : SnapshotStatus::kFailed;
    case format::SnapshotState::kFailed:
    case format::SnapshotState::kDeleting:
    case format::SnapshotState::kTombstone:
      break;
  }
  return SnapshotStatus::kFailed;
}

Result<ResetFacts> gather_facts(const FactSources& sources, const ResetRequest& request,
                                const ResetFound& found) {
  ResetFacts facts;
  facts.target = request.target;
  facts.snapshot_text = request.snapshot_text;
  facts.accept_available = sources.accept_available;
  facts.continues_pending = request.continues_pending;
  facts.api_dry_run = request.api_dry_run;
  if (!found.disk) return facts;
  BLKREWIND_ASSIGN(facts.disk, disk_facts(sources, found));
  if (!found.snapshot) return facts;
  const format::SnapshotRecord& record = *found.snapshot;
  SnapshotFacts snapshot;
  snapshot.id = record.id;
  snapshot.number = record.number;
  snapshot.imported = record.kind == SnapshotKind::kImport;
  snapshot.of_this_disk = record.disk == found.disk->disk.number;
  // The lock of another disk is not known here; its snapshot is refused as a mismatch before that.
  snapshot.status = status_now(record, found.disk->locked);
  snapshot.damaged = record.damaged;
  snapshot.created_at = record.created_at;
  snapshot.device_bytes = record.device_bytes;
  snapshot.chunk_bytes = record.chunk_bytes;
  facts.snapshot = std::move(snapshot);
  return facts;
}

}  // namespace blkrewind::control
