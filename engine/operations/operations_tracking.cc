// Starting, stopping and showing the tracking of a disk.
#include <utility>

#include "operations/operations_parts.h"
#include "operations/recognise.h"
#include "operations/tracking.h"

namespace blkrewind {
namespace {

Result<track::TrackedDisk> look_at(Operations& operations, store::Store& store, io::Env& env,
                                   format::DiskNumber number, const std::string& path) {
  BLKREWIND_ASSIGN(const auto view, operations.disk(number));
  if (!view) return fail(Errc::kNotFound, "the disk was removed from the store");
  BLKREWIND_ASSIGN(const host::DeviceInfo info, env.probe(path));
  return tracked_disk(store, view->disk, info.real_path, info.size_bytes);
}

tl::unexpected<Error> no_trackers() {
  return fail(Errc::kUnsupported, "tracking is not available on this machine");
}

}  // namespace

Status Operations::start_tracking(format::DiskNumber number, const std::string& path,
                                  track::TrackerKind kind) {
  if (parts_->trackers == nullptr) return no_trackers();
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kAllow));
  OpenedDevice device;
  BLKREWIND_ASSIGN(device.info, parts_->env.examine(path));
  BLKREWIND_ASSIGN(device.recognised_by,
                   need_same(parts_->env, locked.disk, device.info, Alone::kUnlessJustRegistered));
  remember_seen(store, locked, device);
  return parts_->trackers->start(
      kind, tracked_disk(store, locked.disk, device.info.real_path, device.info.size_bytes));
}

Result<std::vector<std::string>> Operations::stop_tracking(format::DiskNumber number,
                                                           const std::string& path) {
  if (parts_->trackers == nullptr) return std::vector<std::string>{};
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(const auto lease, store.lease(number));
  BLKREWIND_ASSIGN(const auto view, disk(number));
  if (!view) return fail(Errc::kNotFound, "the disk was removed from the store");
  // Also for a device that is gone.
  auto seen = look_at(*this, store, parts_->env, number, path);
  return parts_->trackers->stop(
      seen ? *seen : tracked_disk(store, view->disk, view->disk.path, view->disk.device_bytes));
}

Result<std::vector<track::TrackerState>> Operations::tracking(format::DiskNumber number,
                                                              const std::string& path) {
  if (parts_->trackers == nullptr) return std::vector<track::TrackerState>{};
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(const auto view, disk(number));
  if (!view) return fail(Errc::kNotFound, "the disk was removed from the store");
  BLKREWIND_ASSIGN(const auto history, store.history(number));
  auto seen = look_at(*this, store, parts_->env, number, path);
  return parts_->trackers->states(
      seen ? *seen : tracked_disk(store, view->disk, view->disk.path, view->disk.device_bytes),
      base_snapshot_id(*history->state(), view->disk));
}

}  // namespace blkrewind
