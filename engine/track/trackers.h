// The trackers of a machine: which a disk has, beginning and ending them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "track/tracker.h"

namespace blkrewind::track {

enum class TrackerKind : std::uint8_t { kBitmap, kExtents };

class Trackers {
 public:
  virtual ~Trackers() = default;
  Trackers(const Trackers&) = delete;
  Trackers& operator=(const Trackers&) = delete;

  [[nodiscard]] virtual Status start(TrackerKind kind, const TrackedDisk& disk) = 0;
  // Of every kind. Returns the names of those that there were.
  [[nodiscard]] virtual Result<std::vector<std::string>> stop(const TrackedDisk& disk) = 0;
  // Those that the disk has, the cheapest first. One that cannot be opened is left out, and logged.
  [[nodiscard]] virtual std::vector<std::unique_ptr<Tracker>> find(const TrackedDisk& disk) = 0;
  [[nodiscard]] virtual Result<std::vector<TrackerState>> states(const TrackedDisk& disk,
                                                                 const std::string& anchor) = 0;

 protected:
  Trackers() = default;
};

// Those of the machine that this runs on. Any thread.
[[nodiscard]] Trackers& local_trackers();

}  // namespace blkrewind::track
