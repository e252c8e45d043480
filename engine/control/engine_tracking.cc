// Tracking: selects the disk and the tracker.
#include <utility>

#include "control/caught.h"
#include "control/engine_impl.h"
#include "track/bitmap/pins.h"

namespace blkrewind {
namespace {

TrackerInfo info_of(track::TrackerState state) {
  TrackerInfo info;
  info.source = std::move(state.name);
  info.valid = state.valid;
  info.reason = std::move(state.why);
  info.base_snapshot_id = std::move(state.base);
  info.changed_bytes = state.changed_bytes;
  info.granule_bytes = state.granule_bytes;
  info.memory_bytes = state.memory_bytes;
  return info;
}

Result<track::TrackerKind> kind_of(ChangeSource source, const format::DiskRecord& disk) {
  switch (source) {
    case ChangeSource::kAuto:
      return disk.kind == host::DeviceKind::kBlock ? track::TrackerKind::kBitmap
                                                   : track::TrackerKind::kExtents;
    case ChangeSource::kBitmap:
      return track::TrackerKind::kBitmap;
    case ChangeSource::kExtents:
      return track::TrackerKind::kExtents;
    case ChangeSource::kScan:
      break;
  }
  return fail(Errc::kInvalidArgument, "a scan needs no tracking", "name bitmap or extents");
}

}  // namespace

Result<TrackingInfo> Engine::start_tracking(const std::string& target, ChangeSource source,
                                            const SnapshotOptions& options) try {
  BLKREWIND_ASSIGN(
      const Impl::Registered disk,
      impl().find_or_register(target, options.chunk_bytes, options.chunk_bytes_given, options.raw));
  const Impl::Found& found = disk.found;
  BLKREWIND_ASSIGN(const track::TrackerKind kind, kind_of(source, found.view.disk));
  if (auto started = impl().operations_->start_tracking(found.view.disk.number, found.path, kind);
      !started) {
    impl().forget_if_empty(disk);
    return fail(std::move(started).error());
  }
  return tracking(found.view.disk.id);
} catch (...) {
  return fail(caught());
}

Result<std::vector<std::string>> Engine::stop_tracking(const std::string& target) try {
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  return impl().operations_->stop_tracking(found.view.disk.number, found.path);
} catch (...) {
  return fail(caught());
}

Result<TrackingInfo> Engine::tracking(const std::string& target) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  TrackingInfo info;
  info.disk_id = found.view.disk.id;
  info.path = found.path;
  BLKREWIND_ASSIGN(auto states, impl().operations_->tracking(found.view.disk.number, found.path));
  for (track::TrackerState& state : states) info.trackers.push_back(info_of(std::move(state)));
  return info;
} catch (...) {
  return fail(caught());
}

Result<std::vector<PinnedTracking>> pinned_tracking() try {
  BLKREWIND_ASSIGN(auto pins, track::pinned_programs());
  std::vector<PinnedTracking> infos;
  for (track::PinnedProgram& pin : pins) {
    infos.push_back({std::move(pin.disk_id), std::move(pin.store_path), std::move(pin.store_uuid),
                     std::move(pin.device), std::move(pin.gone)});
  }
  return infos;
} catch (...) {
  return fail(caught());
}

Result<std::vector<PinnedTracking>> prune_tracking(bool dry_run) try {
  BLKREWIND_ASSIGN(auto pins, pinned_tracking());
  std::erase_if(pins, [](const PinnedTracking& pin) { return pin.gone.empty(); });
  for (const PinnedTracking& pin : pins) {
    if (!dry_run) BLKREWIND_TRY(track::remove_pinned(pin.disk_id));
  }
  return pins;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
