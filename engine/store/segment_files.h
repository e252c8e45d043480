// Open segments, for reading. A cache of descriptors; thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/segment_header.h"
#include "io/env.h"
#include "store/layout.h"

namespace blkrewind::store {

class SegmentFiles {
 public:
  SegmentFiles(io::Env& env, Layout layout, const format::StoreHeader& header);

  // The segment, its header checked when it is opened (with one read on `queue`, which must be
  // idle). The file stays open as long as somebody holds the pointer. Segment numbers are never
  // used again, so a cached file is never another one's.
  [[nodiscard]] Result<std::shared_ptr<io::File>> get(format::SegmentId id, io::Queue& queue);
  // Makes the segment's holes: a file opened for writing, not cached. Its header is checked first,
  // with one read on `queue`, which must be idle: what is not this segment is not changed.
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_for_punching(format::SegmentId id,
                                                                    io::Queue& queue);
  // Whether a file that no record names is what an operation of this store left there: its header
  // is the segment's, or was not written yet.
  [[nodiscard]] Result<bool> is_left_over(format::SegmentId id, io::File& file, io::Queue& queue);

 private:
  [[nodiscard]] Status check_header(format::SegmentId id, io::File& file, io::Queue& queue);

  struct Open {
    format::SegmentId id;
    std::shared_ptr<io::File> file;
  };
  static constexpr std::size_t kOpenMax = 64;

  io::Env& env_;
  const Layout layout_;
  const format::StoreUuid uuid_;
  const DigestSecret secret_;
  std::mutex mutex_;
  std::list<Open> by_use_;  // used last first
};

}  // namespace blkrewind::store
