#include "cli/files/file_map.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace blkrewind::cli {
namespace {

constexpr std::size_t kPiecesMost = 4096;

// As many extents as one answer has room for, behind the struct fiemap.
constexpr std::size_t kBatch = 64;
constexpr std::size_t kAnswerBytes = sizeof(fiemap) + kBatch * sizeof(fiemap_extent);

MappedRange range_of(const fiemap_extent& extent) {
  constexpr unsigned kNoPlace = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                                FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL |
                                FIEMAP_EXTENT_NOT_ALIGNED;
  MappedRange range;
  range.file = {extent.fe_logical, extent.fe_length};
  range.unwritten = (extent.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0;
  if ((extent.fe_flags & kNoPlace) == 0) range.device_offset = extent.fe_physical;
  return range;
}

std::optional<FileMap> by_fiemap(int fd, std::uint64_t size) {
  FileMap map;
  alignas(fiemap) std::array<std::byte, kAnswerBytes> answer{};
  auto* const query = reinterpret_cast<fiemap*>(answer.data());
  std::uint64_t at = 0;
  while (at < size) {
    *query = {};
    query->fm_start = at;
    query->fm_length = size - at;
    query->fm_extent_count = kBatch;
    if (::ioctl(fd, FS_IOC_FIEMAP, query) != 0) return std::nullopt;
    const std::uint32_t count = query->fm_mapped_extents;
    for (std::uint32_t i = 0; i < count; ++i) map.push_back(range_of(query->fm_extents[i]));
    if (map.size() > kPiecesMost) return std::nullopt;
    if (count == 0 || (query->fm_extents[count - 1].fe_flags & FIEMAP_EXTENT_LAST) != 0) break;
    if (map.back().file.end() <= at) return std::nullopt;  // it would never end
    at = map.back().file.end();
  }
  return map;
}

std::optional<FileMap> by_fibmap(int fd, std::uint64_t size) {
  int block_bytes = 0;
  if (::ioctl(fd, FIGETBSZ, &block_bytes) != 0 || block_bytes <= 0) return std::nullopt;
  const auto unit = static_cast<std::uint64_t>(block_bytes);
  const std::uint64_t blocks = (size + unit - 1) / unit;
  if (blocks > kPiecesMost) return std::nullopt;
  FileMap map;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    int place = static_cast<int>(block);
    if (::ioctl(fd, FIBMAP, &place) != 0) return std::nullopt;
    if (place == 0) continue;  // a hole
    const std::uint64_t device = static_cast<std::uint32_t>(place) * unit;
    if (!map.empty() && map.back().file.end() == block * unit &&
        *map.back().device_offset + map.back().file.length == device) {
      map.back().file.length += unit;
    } else {
      map.push_back({{block * unit, unit}, device, false});
    }
  }
  return map;
}

}  // namespace

std::optional<FileMap> map_of(int fd, const struct stat& status) {
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (auto map = by_fiemap(fd, size)) return map;
  return by_fibmap(fd, size);
}

}  // namespace blkrewind::cli
