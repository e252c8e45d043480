// The trackers of a disk during one operation on it: which of them is believed, and moving all of
// them on to what the device equals at the end.
//
// Trackers are never in the way: what fails with them is logged, and the operation scans. Only a
// caller who insists on one is told that it cannot be had.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "operations/operations_parts.h"
#include "track/tracker.h"
#include "track/trackers.h"

namespace blkrewind {

class Tracking {
 public:
  // Begins on every tracker that the disk has. `trackers` may be null: there are none.
  // kPrecondition when `wanted` names one that knows nothing now, or that the disk does not have.
  [[nodiscard]] static Result<Tracking> begin(track::Trackers* trackers, store::Store& store,
                                              const LockedDisk& locked,
                                              const host::DeviceInfo& device, ChangeSource wanted,
                                              track::TrackUse use);
  Tracking() = default;

  // What says where the device may differ from the disk's anchor; null: everything has to be read.
  [[nodiscard]] track::Tracker* source() const { return source_; }

  // How much of the device the operation has written, besides what it told of before.
  void wrote(std::uint64_t bytes);

  // Around the journal record that makes `id` the disk's anchor.
  void prepare(const std::string& id, track::Collected before);
  void commit();
  // The source has missed something.
  void distrust(const std::string& why);

 private:
  struct Begun {
    std::unique_ptr<track::Tracker> tracker;
    bool knows = false;  // changed() holds
  };

  std::vector<Begun> begun_;
  track::Tracker* source_ = nullptr;
  track::Collected before_ = track::Collected::kDropped;
};

[[nodiscard]] track::TrackedDisk tracked_disk(store::Store& store, const format::DiskRecord& disk,
                                              const std::string& path, std::uint64_t device_bytes);
// The id of the snapshot that the device equalled last, as trackers know it; or empty.
[[nodiscard]] std::string anchor_id(const store::State& state, const format::DiskRecord& disk);

}  // namespace blkrewind
