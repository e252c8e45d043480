#include "track/trackers.h"

#include <utility>

#include "base/log.h"
#include "track/bitmap_tracker.h"

namespace blkrewind::track {
namespace {

class LocalTrackers final : public Trackers {
 public:
  Status start(TrackerKind kind, const TrackedDisk& disk) override {
    switch (kind) {
      case TrackerKind::kBitmap:
        return start_bitmap(disk);
      case TrackerKind::kExtents:
        break;
    }
    return fail(Errc::kUnsupported, "extents cannot be tracked yet");
  }

  Result<std::vector<std::string>> stop(const TrackedDisk& disk) override {
    std::vector<std::string> stopped;
    BLKREWIND_ASSIGN(const bool bitmap, stop_bitmap(disk));
    if (bitmap) stopped.emplace_back("bitmap");
    return stopped;
  }

  std::vector<std::unique_ptr<Tracker>> find(const TrackedDisk& disk) override {
    std::vector<std::unique_ptr<Tracker>> found;
    add(found, find_bitmap(disk));
    return found;
  }

  Result<std::vector<TrackerState>> states(const TrackedDisk& disk,
                                           const std::string& anchor) override {
    std::vector<TrackerState> states;
    BLKREWIND_ASSIGN(auto bitmap, bitmap_state(disk, anchor));
    if (bitmap) states.push_back(std::move(*bitmap));
    return states;
  }

 private:
  static void add(std::vector<std::unique_ptr<Tracker>>& found,
                  Result<std::unique_ptr<Tracker>> tracker) {
    if (!tracker) {
      log::warning("what tracks the disk cannot be asked: " + tracker.error().to_string());
    } else if (*tracker) {
      found.push_back(std::move(*tracker));
    }
  }
};

}  // namespace

Trackers& local_trackers() {
  static LocalTrackers trackers;
  return trackers;
}

}  // namespace blkrewind::track
