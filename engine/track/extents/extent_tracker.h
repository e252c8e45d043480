// Changes of an image file, or of a loop device over one, determined by the blocks that it does not
// share with a clone of itself: XFS and btrfs.
//
// No process has to run and nothing has to be recorded while the device is used. The base is a
// reflink clone beside the image (base_clones.h). The file system moves data that is written to a
// shared block, so bytes that both files map to the same location are equal, and all others may
// differ. This holds at any time, for writes of any process, by any means, through the file or
// through any loop device, across reboots, and whether or not an operation of blkrewind was
// involved: a clone is never outdated, it only represents one snapshot or another.
//
// It relies on the clone holding exactly the bytes of its snapshot. Writes of other processes to
// the image during a rollback would be in the clone but not in the snapshot; the amount of data
// that moved meanwhile must therefore equal what the rollback wrote, or no clone is made. One case
// remains undetected: a write to the very blocks that the rollback restores, after it restored
// them. (During a snapshot this does no harm, unless the writer restores the clone's own location,
// by reflink or deduplication.)
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "io/extent_map.h"
#include "track/extents/base_clones.h"
#include "track/extents/extent_diff.h"
#include "track/extents/tracked_image.h"
#include "track/tracker.h"

namespace blkrewind::track {

class ExtentTracker final : public Tracker {
 public:
  explicit ExtentTracker(TrackedDisk disk) : disk_(std::move(disk)) {}
  // Destroyed between prepare() and commit() it leaves both clones, as after a crash: the next
  // begin() uses the one that the base snapshot in the log names.
  ~ExtentTracker() override = default;

  [[nodiscard]] const char* name() const override { return "extents"; }
  [[nodiscard]] bool shares_bytes() const override { return true; }
  [[nodiscard]] Result<std::optional<std::string>> begin(const std::string& base_snapshot,
                                                         TrackUse use) override;
  [[nodiscard]] Result<Extent> changed(std::uint64_t offset) override;
  void wrote(std::uint64_t bytes) override { wrote_ += bytes; }
  [[nodiscard]] Status prepare(const std::string& id, Collected before) override;
  [[nodiscard]] Status commit() override;
  [[nodiscard]] Status abandon() override;
  [[nodiscard]] Status distrust(const std::string& why) override;

 private:
  // Two unchanging clones, and where they differ.
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
  [[nodiscard]] BaseClones base_snapshot() const { return {*image_, disk_}; }

  const TrackedDisk disk_;
  std::optional<TrackedImage> image_;  // from begin() on
  TrackUse use_ = TrackUse::kRead;
  std::uint64_t wrote_ = 0;                 // bytes, since begin()
  UniqueFd now_;                            // the unnamed clone taken by begin()
  std::unique_ptr<Comparison> comparison_;  // changed() is valid; refers to now_
  std::string base_;                        // changed() is valid: the snapshot that it refers to
  std::string prepared_;                    // the name of the next base
  std::string prepared_id_;
  Collected before_ = Collected::kDropped;
};

// Tracks the disk from its next snapshot on. Errors: kUnsupported - not possible, with a remedy;
// kAlreadyExists - it is tracked.
[[nodiscard]] Status start_extents(const TrackedDisk& disk);
// Removes everything that start_extents() and operations left beside the image. False: there was
// nothing.
[[nodiscard]] Result<bool> stop_extents(const TrackedDisk& disk);
// Null: not tracked by extents.
[[nodiscard]] Result<std::unique_ptr<Tracker>> find_extents(const TrackedDisk& disk);
// The result that begin(base_snapshot) would give; changes nothing. Empty: not tracked by extents.
// Without the disk's lock it may be outdated.
[[nodiscard]] Result<std::optional<TrackerState>> extents_state(const TrackedDisk& disk,
                                                                const std::string& base_snapshot);

}  // namespace blkrewind::track
