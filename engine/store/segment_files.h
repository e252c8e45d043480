// Open segments for reading: a bounded cache of descriptors. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/records.h"
#include "format/segment_header.h"
#include "io/env.h"
#include "store/home/home.h"

namespace blkrewind::store {

class SegmentFiles {
 public:
  SegmentFiles(Home& home, format::DiskNumber disk, const format::StoreHeader& header);

  [[nodiscard]] format::DiskNumber disk() const { return disk_; }

  // How many segments an operation should have open at once: a quarter of the process's limit
  // (RLIMIT_NOFILE), at most 256.
  [[nodiscard]] static std::size_t open_max();
  // Whether that many are in use now. The caller should release some before it asks for more; get()
  // works regardless.
  [[nodiscard]] bool is_crowded();

  // The disk is a clone: which segments are those of which other disks (format::OriginRecord). The
  // same each time.
  void share(const std::vector<format::OriginRecord::Share>& shares);
  // For messages.
  [[nodiscard]] std::string name_of(format::SegmentId id) const;

  // The segment; its header is checked when it is opened (with one read on `queue`, which must be
  // idle). The file stays open while a caller holds the pointer. Segment numbers are never reused,
  // so a cached file never belongs to another segment.
  [[nodiscard]] Result<std::shared_ptr<io::File>> get(format::SegmentId id, io::Queue& queue);
  // Punches holes in the segment: opens it for writing, uncached. Its header is checked first, with
  // one read on `queue`, which must be idle: a file that is not this segment is not changed.
  // kNotFound: there is no file, or it ends within its header, so that there is nothing to punch.
  // kIntegrity also for a segment that a clone shares.
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_for_punching(format::SegmentId id,
                                                                    io::Queue& queue);
  // Whether a segment that no record names was left by an owner of this disk: it has the header of
  // the segment, or an incompletely written one, possibly empty.
  [[nodiscard]] Result<bool> is_left_over(format::SegmentId id, io::Queue& queue);

 private:
  [[nodiscard]] Status check_header(const format::SegmentHeader& header, io::File& file,
                                    io::Queue& queue);

  struct Open {
    format::SegmentId id;
    std::shared_ptr<io::File> file;
  };
  // Closes files that no caller uses, least recently used first, until fewer than `count` are open.
  void close_idle(std::size_t count);

  // Whose segment it is. mutex_ is held.
  [[nodiscard]] format::DiskNumber disk_of(format::SegmentId id) const;
  [[nodiscard]] format::SegmentHeader header_of(format::DiskNumber disk,
                                                format::SegmentId id) const {
    return {uuid_, disk, id, 0};
  }

  Home& home_;
  const format::DiskNumber disk_;
  const format::StoreUuid uuid_;
  const DigestSecret secret_;
  const std::size_t open_max_;
  mutable std::mutex mutex_;
  std::vector<format::OriginRecord::Share> shares_;
  std::list<Open> by_use_;  // most recently used first
  // All files that get() has returned: a file is open as long as a caller holds it.
  std::shared_ptr<std::atomic<std::size_t>> open_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace blkrewind::store
