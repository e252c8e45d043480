#include "operations/tracking.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace blkrewind {
namespace {

bool is_wanted(ChangeSource wanted, const std::string& name) {
  switch (wanted) {
    case ChangeSource::kAuto:
      return true;
    case ChangeSource::kScan:
      return false;
    case ChangeSource::kBitmap:
      return name == "bitmap";
    case ChangeSource::kExtents:
      return name == "extents";
  }
  return false;
}

void note(const track::Tracker& tracker, const Status& status) {
  if (!status) {
    log::warning(std::string("the ") + tracker.name() +
                 " tracker failed: " + status.error().to_string());
  }
}

tl::unexpected<Error> not_to_be_had(const std::string& path, ChangeSource wanted,
                                    const std::string& why) {
  const std::string name = wanted == ChangeSource::kBitmap ? "bitmap" : "extents";
  return fail(
      Errc::kPrecondition,
      "the change source " + name + " is not valid for " + path + " now: " + why,
      why == "the disk is not tracked by it"
          ? Remedy(Verb::kTrackStart, "start tracking",
                   {{Parameter::kTarget, path}, {Parameter::kSource, name}})
          : Remedy(Verb::kRepeat,
                   "let this operation scan, which makes it valid again where it still runs",
                   {{Parameter::kChangeSource, "auto"}})
                .or_else({Verb::kTrackStatus, "see what it knows", {{Parameter::kTarget, path}}}));
}

}  // namespace

track::TrackedDisk tracked_disk(store::Store& store, const format::DiskRecord& disk,
                                const std::string& path, std::uint64_t device_bytes) {
  const std::string& below = disk.identity.backing_file;
  return {
      format::to_string(store.header().uuid), disk.id,       path, device_bytes, disk.chunk_bytes,
      below.empty() ? disk.path : below,      store.folder()};
}

std::string base_snapshot_id(const store::State& state, const format::DiskRecord& disk) {
  const auto* base_snapshot = state.snapshot(disk.base_snapshot);
  if (base_snapshot == nullptr || base_snapshot->state != format::SnapshotState::kAccomplished ||
      base_snapshot->damaged) {
    return {};
  }
  return base_snapshot->id;
}

Result<Tracking> Tracking::begin(track::Trackers* trackers, store::Store& store,
                                 const LockedDisk& locked, const host::DeviceInfo& device,
                                 ChangeSource wanted, track::TrackUse use) {
  Tracking tracking;
  std::string why = "the disk is not tracked by it";
  const std::string base_snapshot = base_snapshot_id(*locked.state, locked.disk);
  const auto disk = tracked_disk(store, locked.disk, device.real_path, device.size_bytes);
  if (trackers != nullptr) {
    for (auto& tracker : trackers->find(disk)) {
      auto why_not = tracker->begin(base_snapshot, use);
      const bool asked = wanted != ChangeSource::kAuto && is_wanted(wanted, tracker->name());
      if (!why_not) {
        note(*tracker, fail(why_not.error()));
        if (asked) why = why_not.error().message;
        continue;
      }
      const bool knows = !why_not->has_value();
      if (knows && tracking.source_ == nullptr && is_wanted(wanted, tracker->name())) {
        tracking.source_ = tracker.get();
      }
      if (!knows) {
        log::info(std::string("the ") + tracker->name() + " tracker is not valid: " + **why_not);
        if (asked) why = **why_not;
      }
      tracking.begun_.push_back({std::move(tracker), knows});
    }
  }
  if ((wanted == ChangeSource::kBitmap || wanted == ChangeSource::kExtents) &&
      tracking.source_ == nullptr) {
    return not_to_be_had(device.path, wanted, why);
  }
  return tracking;
}

void Tracking::wrote(std::uint64_t bytes) {
  for (const Begun& begun : begun_) begun.tracker->wrote(bytes);
}

void Tracking::prepare(const std::string& id, track::Collected before) {
  before_ = before;
  std::erase_if(begun_, [&](Begun& begun) {
    const Status prepared = begun.tracker->prepare(id, before);
    note(*begun.tracker, prepared);
    if (prepared) return false;
    // The tracker returns to its former base, and will be found outdated.
    if (begun.tracker.get() == source_) source_ = nullptr;
    return true;
  });
}

void Tracking::commit() {
  for (Begun& begun : begun_) {
    // A tracker that was not valid before is not valid now.
    if (before_ == track::Collected::kKept && !begun.knows) {
      note(*begun.tracker, begun.tracker->distrust("an interrupted rollback ended without "
                                                   "comparing the whole device"));
    } else {
      note(*begun.tracker, begun.tracker->commit());
    }
  }
  begun_.clear();
  source_ = nullptr;
}

void Tracking::distrust(const std::string& why) {
  for (Begun& begun : begun_) note(*begun.tracker, begun.tracker->distrust(why));
  begun_.clear();
  source_ = nullptr;
}

}  // namespace blkrewind
