// The anchor files beside a tracked image: clones of it that stand for snapshots.
//
//   .NAME.blkrewind-DISK.N     N counts up; NAME is for people only
//
// Each carries a record (clone_record.h), is immutable and readable by its owner only. It comes
// into being without a name (O_TMPFILE), gets its record, is flushed, named, made immutable and
// flushed again. So whatever the power interrupts, a file is either whole or not believed: one that
// is not immutable, or whose record does not fit, is a leftover. An immutable file can be neither
// renamed nor renamed over, so a new one never takes the place of an old one; while both exist,
// their records tell them apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "track/extents/clone_record.h"
#include "track/extents/tracked_image.h"
#include "track/tracker.h"

namespace blkrewind::track {

struct AnchorFile {
  std::string name;
  UniqueFd fd;  // read only; none when it could not be opened
  std::optional<CloneRecord> record;
  std::string fault;  // why it is not believed, for people; empty: it is
};

// Of one disk. Refers to the image and the disk, which outlive it. The caller holds the disk's
// lock.
class CloneAnchor {
 public:
  CloneAnchor(const TrackedImage& image, const TrackedDisk& disk) : image_(image), disk_(disk) {}

  // All that bear the disk's name, ascending in N; not those of another store.
  [[nodiscard]] Result<std::vector<AnchorFile>> list() const;

  // Names a file of io::make_unnamed() as a clone of the snapshot `base` and makes it durable. The
  // name; after an error nothing is left.
  [[nodiscard]] Result<std::string> keep(int fd, const std::string& base, TrackUse use) const;

  // Nothing but an empty file, which says that the disk is tracked, and why it has no base.
  [[nodiscard]] Status forget_all(const std::string& why) const;

  // Removes all but the one of that name; empty: all.
  [[nodiscard]] Status remove_others(const std::string& name) const;

 private:
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] AnchorFile examine(const std::string& name) const;
  [[nodiscard]] Result<std::string> finish(int fd, CloneRecord record) const;

  const TrackedImage& image_;
  const TrackedDisk& disk_;
};

}  // namespace blkrewind::track
