// The clones beside a tracked image that represent snapshots.
//
//   .NAME.blkrewind-DISK.N     N increases; NAME is only for display
//
// Each carries a record (clone_record.h), is immutable and readable by its owner only. It is
// created without a name (O_TMPFILE), gets its record, is flushed, named, made immutable and
// flushed again. After a power cut at any point a file is therefore either complete or not valid:
// one that is not immutable, or whose record does not match, is a leftover. An immutable file can
// be neither renamed nor replaced by a rename, so a new clone never replaces an old one; while both
// exist, their records distinguish them.
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

struct BaseClone {
  std::string name;
  UniqueFd fd;  // read only; none if it could not be opened
  std::optional<CloneRecord> record;
  std::string fault;  // why it is not valid, for messages; empty: it is valid
};

// The clones of one disk. Refers to the image and the disk, which outlive it. The caller holds the
// disk's lock.
class BaseClones {
 public:
  BaseClones(const TrackedImage& image, const TrackedDisk& disk) : image_(image), disk_(disk) {}

  // All files with the disk's name, ascending in N, except those of another store.
  [[nodiscard]] Result<std::vector<BaseClone>> list() const;

  // Names a file of io::make_unnamed() as the clone of the snapshot `base` and makes it durable.
  // Returns the name; after an error nothing is left.
  [[nodiscard]] Result<std::string> keep(int fd, const std::string& base, TrackUse use) const;

  // Creates an empty file, which records that the disk is tracked, and why it has no base.
  [[nodiscard]] Status forget_all(const std::string& why) const;

  // Removes all clones except the one with that name; empty: all.
  [[nodiscard]] Status remove_others(const std::string& name) const;

 private:
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] BaseClone examine(const std::string& name) const;
  [[nodiscard]] Result<std::string> finish(int fd, CloneRecord record) const;

  const TrackedImage& image_;
  const TrackedDisk& disk_;
};

}  // namespace blkrewind::track
