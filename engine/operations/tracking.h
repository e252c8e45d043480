// The trackers of a disk during one operation: selects the one to use, and moves the base of all of
// them to the state of the device at the end.
//
// Trackers never block an operation: a failure is logged, and the operation scans. Only a caller
// that insists on a tracker gets an error.
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
  // Calls begin() on every tracker of the disk. `trackers` may be null: there are none.
  // kPrecondition if `wanted` names a tracker that is not valid now, or that the disk does not
  // have.
  [[nodiscard]] static Result<Tracking> begin(track::Trackers* trackers, store::Store& store,
                                              const LockedDisk& locked,
                                              const host::DeviceInfo& device, ChangeSource wanted,
                                              track::TrackUse use);
  Tracking() = default;

  // The tracker that says where the device may differ from the base snapshot; null: everything has
  // to be read.
  [[nodiscard]] track::Tracker* source() const { return source_; }

  // The number of bytes that the operation has written to the device since the last call.
  void wrote(std::uint64_t bytes);

  // Before and after the record that makes `id` the base snapshot.
  void prepare(const std::string& id, track::Collected before);
  void commit();
  // The tracker has missed a change.
  void distrust(const std::string& why);

 private:
  struct Begun {
    std::unique_ptr<track::Tracker> tracker;
    bool knows = false;  // changed() is valid
  };

  std::vector<Begun> begun_;
  track::Tracker* source_ = nullptr;
  track::Collected before_ = track::Collected::kDropped;
};

[[nodiscard]] track::TrackedDisk tracked_disk(store::Store& store, const format::DiskRecord& disk,
                                              const std::string& path, std::uint64_t device_bytes);
// The id of the base snapshot, as trackers know it; or empty.
[[nodiscard]] std::string base_snapshot_id(const store::State& state,
                                           const format::DiskRecord& disk);

}  // namespace blkrewind
