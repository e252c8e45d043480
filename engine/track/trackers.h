// The trackers of a machine: finding those of a disk, starting and stopping them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "track/tracker.h"
#include "track/watch.h"

namespace blkrewind::track {

enum class TrackerKind : std::uint8_t { kBitmap, kExtents };

class Trackers {
 public:
  virtual ~Trackers() = default;
  Trackers(const Trackers&) = delete;
  Trackers& operator=(const Trackers&) = delete;

  [[nodiscard]] virtual Status start(TrackerKind kind, const TrackedDisk& disk) = 0;
  // Stops trackers of every kind. Returns the names of those that existed.
  [[nodiscard]] virtual Result<std::vector<std::string>> stop(const TrackedDisk& disk) = 0;
  // The trackers of the disk, the cheapest first. One that cannot be opened is skipped and logged.
  [[nodiscard]] virtual std::vector<std::unique_ptr<Tracker>> find(const TrackedDisk& disk) = 0;
  // For one operation, of a device that need not be a disk of a store: nothing of it is pinned.
  // kUnsupported, with a remedy: this device, or this machine, does not support it.
  [[nodiscard]] virtual Result<std::unique_ptr<Watch>> start_watch(const TrackedDisk& disk);
  [[nodiscard]] virtual Result<std::vector<TrackerState>> states(
      const TrackedDisk& disk, const std::string& base_snapshot) = 0;

 protected:
  Trackers() = default;
};

// The trackers of the real machine. Any thread.
[[nodiscard]] Trackers& local_trackers();

}  // namespace blkrewind::track
