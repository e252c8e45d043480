#include "track/trackers.h"

#include <utility>

#include "base/log.h"
#include "track/bitmap/bitmap_tracker.h"
#include "track/bitmap/bitmap_watch.h"
#include "track/extents/extent_tracker.h"

namespace blkrewind::track {
namespace {

class LocalTrackers final : public Trackers {
 public:
  Status start(TrackerKind kind, const TrackedDisk& disk) override {
    switch (kind) {
      case TrackerKind::kBitmap:
        return start_bitmap(disk);
      case TrackerKind::kExtents:
        return start_extents(disk);
    }
    return fail(Errc::kInvalidArgument, "no such tracker");
  }

  Result<std::vector<std::string>> stop(const TrackedDisk& disk) override {
    std::vector<std::string> stopped;
    BLKREWIND_ASSIGN(const bool bitmap, stop_bitmap(disk));
    if (bitmap) stopped.emplace_back("bitmap");
    BLKREWIND_ASSIGN(const bool extents, stop_extents(disk));
    if (extents) stopped.emplace_back("extents");
    return stopped;
  }

  std::vector<std::unique_ptr<Tracker>> find(const TrackedDisk& disk) override {
    std::vector<std::unique_ptr<Tracker>> found;
    // The one that sees more comes first: it is the one that is used, and a change that it misses
    // is missed by all.
    add(found, find_extents(disk));
    add(found, find_bitmap(disk));
    return found;
  }

  Result<std::unique_ptr<Watch>> start_watch(const TrackedDisk& disk) override {
    return start_bitmap_watch(disk);
  }

  Result<std::vector<TrackerState>> states(const TrackedDisk& disk,
                                           const std::string& base_snapshot) override {
    std::vector<TrackerState> states;
    BLKREWIND_ASSIGN(auto bitmap, bitmap_state(disk, base_snapshot));
    if (bitmap) states.push_back(std::move(*bitmap));
    BLKREWIND_ASSIGN(auto extents, extents_state(disk, base_snapshot));
    if (extents) states.push_back(std::move(*extents));
    return states;
  }

 private:
  static void add(std::vector<std::unique_ptr<Tracker>>& found,
                  Result<std::unique_ptr<Tracker>> tracker) {
    if (!tracker) {
      log::warning("cannot query the tracker of the disk: " + tracker.error().to_string());
    } else if (*tracker) {
      found.push_back(std::move(*tracker));
    }
  }
};

}  // namespace

Result<std::unique_ptr<Watch>> Trackers::start_watch(const TrackedDisk& disk) {
  return fail(Errc::kUnsupported, "writes to " + disk.path + " cannot be marked here");
}

Trackers& local_trackers() {
  static LocalTrackers trackers;
  return trackers;
}

}  // namespace blkrewind::track
