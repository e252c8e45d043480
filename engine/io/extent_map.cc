#include "io/extent_map.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace blkrewind::io {
namespace {

// About one page of results per query.
constexpr std::uint32_t kBatchExtents = 256;

// Flags that do not affect the location. Any other flag, including future ones, makes an extent
// incomparable.
constexpr std::uint32_t kHarmless =
    FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_UNWRITTEN;

// A fiemap struct is followed by as many extents as it has room for.
struct alignas(fiemap) Question {
  std::array<std::byte, sizeof(fiemap) + kBatchExtents * sizeof(fiemap_extent)> bytes;
};

bool is_strange(const fiemap_extent& extent, std::uint64_t not_before) {
  return extent.fe_length == 0 || extent.fe_logical + extent.fe_length < extent.fe_logical ||
         extent.fe_physical + extent.fe_length < extent.fe_physical ||
         extent.fe_logical < not_before;
}

// The part of it within `range`; empty if there is none.
MappedExtent clip(const fiemap_extent& extent, const Extent& range) {
  const std::uint64_t begin = std::max<std::uint64_t>(extent.fe_logical, range.offset);
  const std::uint64_t end =
      std::min<std::uint64_t>(extent.fe_logical + extent.fe_length, range.end());
  if (begin >= end) return {};
  return {.logical = {begin, end - begin},
          .physical = extent.fe_physical + (begin - extent.fe_logical),
          .comparable = (extent.fe_flags & ~kHarmless) == 0,
          .unwritten = (extent.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0};
}

}  // namespace

Result<ExtentBatch> read_extent_map(int fd, const Extent& range) {
  Question question = {};
  auto* map = reinterpret_cast<fiemap*>(question.bytes.data());
  map->fm_start = range.offset;
  map->fm_length = range.length;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kBatchExtents;
  while (::ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
    if (errno == EINTR) continue;
    Error error = system_error(errno, "cannot read the extent map");
    if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EBADR) error.code = Errc::kUnsupported;
    return tl::unexpected(std::move(error).at(range));
  }
  const std::uint32_t count = map->fm_mapped_extents;
  if (count > kBatchExtents) return fail(Errc::kIo, "the file system's extent map is too long");
  ExtentBatch batch{.covers = range, .extents = {}};
  batch.extents.reserve(count);
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const fiemap_extent& extent = map->fm_extents[i];
    if (is_strange(extent, end)) {
      return fail(Errc::kIo, "the file system's extent map contradicts itself");
    }
    end = extent.fe_logical + extent.fe_length;
    const MappedExtent clipped = clip(extent, range);
    if (!clipped.logical.empty()) batch.extents.push_back(clipped);
  }
  // A result is followed by more unless it says that it is the last or is empty: being shorter than
  // possible proves nothing. XFS used to stop after about 1360 extents of a longer query.
  if (count == 0 || end >= range.end()) return batch;
  if ((map->fm_extents[count - 1].fe_flags & FIEMAP_EXTENT_LAST) != 0) return batch;
  if (end <= range.offset) {
    return fail(Errc::kIo, "the file system's extent map does not advance");
  }
  batch.covers.length = end - range.offset;
  return batch;
}

}  // namespace blkrewind::io
