// Rollback, resume, and undo of an interrupted rollback: each is a value (rollback/way.h) for the
// one sequence (rollback/sequence.h).
#include <utility>

#include "base/remedies.h"
#include "operations/rollback/sequence.h"

namespace blkrewind {
namespace {

Status check_size(const OpenedDevice& device, const format::SnapshotRecord& wanted) {
  if (device.info.size_bytes == wanted.device_bytes) return {};
  return fail(Errc::kPrecondition,
              device.info.path + " has " + std::to_string(device.info.size_bytes) +
                  " bytes, but had " + std::to_string(wanted.device_bytes) +
                  " when the snapshot was taken",
              Remedy("give it its former size")
                  .or_else({Verb::kExport,
                            "export the snapshot to an image",
                            {{Parameter::kSnapshot, wanted.id}, {Parameter::kFile, {}}}}));
}

}  // namespace

Result<RollbackReceipt> Operations::rollback(const RollbackRequest& request, const Monitor& monitor,
                                             std::shared_ptr<store::Lease> held) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked,
                   lock_disk(store, request.disk, Pending::kRefuse, std::move(held)));
  BLKREWIND_ASSIGN(const auto wanted, find_accomplished(*locked.state, request.target));
  if (!request.takes_back.empty() && request.takes_back != locked.disk.last_rollback.request_id) {
    // It ended between the caller's look and our lock.
    return fail(Errc::kBusy, "another rollback of " + request.path + " has ended just now",
                look_into_list("see which one undo would take back now", request.path));
  }
  if (wanted.disk != request.disk) {
    return fail(Errc::kInvalidArgument, "snapshot " + wanted.id + " is not one of this disk");
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, request.path,
                               request.dry_run ? DeviceUse::kPlan : DeviceUse::kWrite));
  if (!request.dry_run) remember_seen(store, locked, device);
  BLKREWIND_TRY(check_size(device, wanted));
  BLKREWIND_ASSIGN(
      Tracking tracking,
      Tracking::begin(parts_->trackers, store, locked, device.info, request.change_source,
                      request.dry_run ? track::TrackUse::kRead : track::TrackUse::kWrite));
  const Way::Looks looks = where_to_look(locked, tracking, wanted);
  const Way way = request.dry_run ? Way::plan(looks)
                  : request.undo  ? Way::rollback(looks)
                                  : Way::rollback_without_undo(looks);
  return Sequence(
             {store, *locked.history, locked, device, monitor, parts_->means, tracking,
              request.request_id, request.verify_after, way, wanted, std::nullopt, std::nullopt},
             watch)
      .run();
}

Result<RollbackReceipt> Operations::resume(format::DiskNumber number, const std::string& path,
                                           bool backwards, const Monitor& monitor,
                                           std::shared_ptr<store::Lease> held,
                                           VerifyAfter verify_after) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kAllow, std::move(held)));
  const auto found = locked.state->intents.find(number);
  if (found == locked.state->intents.end()) {
    return fail(Errc::kPrecondition, "no rollback of " + locked.disk.path + " was interrupted",
                look_into_list("see what there is", locked.disk.path));
  }
  const format::IntentRecord intent = found->second;
  if (backwards && intent.undo == 0) {
    return fail(Errc::kPrecondition,
                "the interrupted rollback kept no undo snapshot: the state before it is gone",
                Remedy(Verb::kResume, "finish it", {{Parameter::kTarget, locked.disk.path}}));
  }
  BLKREWIND_ASSIGN(const auto forward, find_accomplished(*locked.state, intent.target));
  std::optional<format::SnapshotRecord> undo;
  if (intent.undo != 0) {
    BLKREWIND_ASSIGN(undo, find_accomplished(*locked.state, intent.undo));
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, path, DeviceUse::kWrite));
  remember_seen(store, locked, device);
  BLKREWIND_TRY(check_size(device, forward));
  BLKREWIND_ASSIGN(Tracking tracking,
                   Tracking::begin(parts_->trackers, store, locked, device.info,
                                   ChangeSource::kAuto, track::TrackUse::kWrite));
  const format::SnapshotRecord& wanted = backwards ? *undo : forward;
  const Way::Looks looks = where_to_look(locked, tracking, wanted);
  const Way way = backwards ? Way::back(looks)
                  : undo    ? Way::resume(looks)
                            : Way::resume_without_undo(looks);
  return Sequence({store, *locked.history, locked, device, monitor, parts_->means, tracking,
                   intent.request_id, verify_after, way, wanted, undo,
                   backwards ? std::optional(forward) : undo},
                  watch)
      .run();
}

}  // namespace blkrewind
