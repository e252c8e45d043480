#include "io/preallocation.h"

#include <sys/stat.h>

#include <cstdint>

#include "io/extent_map.h"

namespace blkrewind::io {

bool is_fully_allocated(int fd, const Extent& range) {
  struct stat status = {};
  if (range.empty() || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  // Detects a sparse file quickly, but not a fully allocated one: blocks beyond the end count, and
  // so do blocks for metadata. (st_blocks is in units of 512 bytes, stat(2).)
  if (static_cast<std::uint64_t>(status.st_blocks) * 512 < range.length) return false;
  std::uint64_t at = range.offset;
  while (at < range.end()) {
    const auto batch = read_extent_map(fd, {at, range.end() - at});
    if (!batch) return batch.error().code == Errc::kUnsupported;  // tmpfs: by its blocks alone
    for (const MappedExtent& extent : batch->extents) {
      if (extent.logical.offset > at) return false;
      at = extent.logical.end();
    }
    if (at < batch->covers.end()) return false;
  }
  return true;
}

}  // namespace blkrewind::io
