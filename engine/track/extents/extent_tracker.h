// Changes of an image file, or of a loop device over one, told by what it does not share with a
// clone of itself: XFS and btrfs.
//
// Nothing has to run or to be remembered while the device is used. The base is a reflink clone
// beside the image (clone_anchor.h). The file system moves what is written to a shared place, so
// the bytes that both map to the same place are equal, and all others may differ. That is true at
// any time, whoever wrote, by whatever means, through the file or through any loop device, before
// or after a restart, and whether or not this program's operations were told of: a clone is never
// outdated, it is only of one snapshot or another.
//
// It stands and falls with a clone holding the bytes of its snapshot. What others write to the
// image while a rollback runs would be in the clone but not in the snapshot; so what has moved
// meanwhile must be as much as the rollback wrote, or no clone is made. That leaves one thing that
// nobody must do: write to the very blocks that the rollback restores, after it did. (During a
// snapshot it does not matter, unless who wrote puts the clone's own place back, by reflink or
// deduplication.)
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "io/extent_map.h"
#include "track/extents/clone_anchor.h"
#include "track/extents/extent_diff.h"
#include "track/extents/tracked_image.h"
#include "track/tracker.h"

namespace blkrewind::track {

class ExtentTracker final : public Tracker {
 public:
  explicit ExtentTracker(TrackedDisk disk) : disk_(std::move(disk)) {}
  // Between prepare() and commit() it leaves both clones, as when the process dies: the next
  // begin() takes the one that the journal's anchor names.
  ~ExtentTracker() override = default;

  [[nodiscard]] const char* name() const override { return "extents"; }
  [[nodiscard]] bool shares_bytes() const override { return true; }
  [[nodiscard]] Result<std::optional<std::string>> begin(const std::string& anchor,
                                                         TrackUse use) override;
  [[nodiscard]] Result<Extent> changed(std::uint64_t offset) override;
  void wrote(std::uint64_t bytes) override { wrote_ += bytes; }
  [[nodiscard]] Status prepare(const std::string& id, Collected before) override;
  [[nodiscard]] Status commit() override;
  [[nodiscard]] Status abandon() override;
  [[nodiscard]] Status distrust(const std::string& why) override;

 private:
  // Two clones that stand still, and where they differ.
  struct Comparison {
    Comparison(UniqueFd base_fd, int now_fd, const Extent& range)
        : file(std::move(base_fd)), diff(file.get(), now_fd, range) {}
    UniqueFd file;
    track::ExtentDiff diff;
  };

  [[nodiscard]] Status open();
  // Whether more of the image has changed since begin() than the operation has written.
  [[nodiscard]] Result<bool> others_wrote(int written) const;
  void end();
  [[nodiscard]] CloneAnchor anchor() const { return {*image_, disk_}; }

  const TrackedDisk disk_;
  std::optional<TrackedImage> image_;  // from begin() on
  TrackUse use_ = TrackUse::kRead;
  std::uint64_t wrote_ = 0;                 // bytes, since begin()
  UniqueFd now_;                            // the clone without a name that begin() took
  std::unique_ptr<Comparison> comparison_;  // changed() holds; refers to now_
  std::string base_;                        // changed() holds: the snapshot that it is of
  std::string prepared_;                    // the name of the next base
  std::string prepared_id_;
  Collected before_ = Collected::kDropped;
};

// Tracks the disk from its next snapshot on.
// Errors: kUnsupported - it cannot be, with a hint; kAlreadyExists - it is.
[[nodiscard]] Status start_extents(const TrackedDisk& disk);
// Removes all that start_extents() and operations left beside the image. False: nothing was there.
[[nodiscard]] Result<bool> stop_extents(const TrackedDisk& disk);
// Null: not tracked by extents.
[[nodiscard]] Result<std::unique_ptr<Tracker>> find_extents(const TrackedDisk& disk);
// What begin(anchor) would find; changes nothing. Nothing: not tracked by extents. Without the
// disk's lock it may be of a moment that has passed.
[[nodiscard]] Result<std::optional<TrackerState>> extents_state(const TrackedDisk& disk,
                                                                const std::string& anchor);

}  // namespace blkrewind::track
