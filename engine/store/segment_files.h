// Open segments, for reading. A bounded cache of descriptors; thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
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

  // How many segments an operation should have open at once: a quarter of what the process may
  // open (RLIMIT_NOFILE), at most 256.
  [[nodiscard]] static std::size_t open_max();
  // Whether so many are in use right now. The caller lets go of some before it asks for more; get()
  // still answers.
  [[nodiscard]] bool is_crowded();

  // The segment, its header checked when it is opened (with one read on `queue`, which must be
  // idle). The file stays open as long as somebody holds the pointer. Segment numbers are never
  // used again, so a cached file is never another one's.
  [[nodiscard]] Result<std::shared_ptr<io::File>> get(format::SegmentId id, io::Queue& queue);
  // Makes the segment's holes: a file opened for writing, not cached. Its header is checked first,
  // with one read on `queue`, which must be idle: what is not this segment is not changed.
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_for_punching(format::SegmentId id,
                                                                    io::Queue& queue);
  // Whether a file that no record names is what an operation of this store left there: its header
  // is the segment's, or a part of it was not written, down to all of it.
  [[nodiscard]] Result<bool> is_left_over(format::SegmentId id, io::File& file, io::Queue& queue);

 private:
  [[nodiscard]] Status check_header(format::SegmentId id, io::File& file, io::Queue& queue);

  struct Open {
    format::SegmentId id;
    std::shared_ptr<io::File> file;
  };
  // Closes what no caller uses, used last last, until fewer than `count` are open.
  void close_idle(std::size_t count);

  io::Env& env_;
  const Layout layout_;
  const format::StoreUuid uuid_;
  const DigestSecret secret_;
  const std::size_t open_max_;
  std::mutex mutex_;
  std::list<Open> by_use_;  // used last first
  // Of all that get() has given out: a file lives as long as a caller holds it.
  std::shared_ptr<std::atomic<std::size_t>> open_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace blkrewind::store
