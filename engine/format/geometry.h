// The division of a device into chunks, and of chunks into tree nodes.
//
// Pure arithmetic. A node of level 0 (a leaf) holds the entries of kFanout chunks; a node of level
// l + 1 those of kFanout nodes of level l. The root is the only node of level height - 1.
#pragma once

#include <cstdint>

#include "blkrewind/units.h"

namespace blkrewind::format {

inline constexpr std::uint32_t kFanout = 128;
inline constexpr std::uint32_t kFanoutBits = 7;
static_assert(1U << kFanoutBits == kFanout);
inline constexpr std::uint32_t kMaxHeight = 8;  // kMaxDeviceBytes in the smallest chunks

struct Geometry {
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;

  [[nodiscard]] constexpr std::uint64_t chunk_count() const {
    return device_bytes / chunk_bytes + (device_bytes % chunk_bytes != 0 ? 1 : 0);
  }
  [[nodiscard]] constexpr std::uint64_t leaf_count() const {
    return (chunk_count() + kFanout - 1) >> kFanoutBits;
  }
  [[nodiscard]] constexpr std::uint64_t leaf_bytes() const {
    return std::uint64_t{chunk_bytes} * kFanout;
  }
  // Levels of nodes, at least 1.
  [[nodiscard]] constexpr std::uint32_t height() const {
    std::uint32_t levels = 1;
    for (std::uint64_t nodes = leaf_count(); nodes > 1;
         nodes = (nodes + kFanout - 1) >> kFanoutBits) {
      ++levels;
    }
    return levels;
  }
  // The range of the chunk on the device; the last one may be short.
  [[nodiscard]] constexpr Extent chunk_extent(std::uint64_t chunk) const {
    const std::uint64_t offset = chunk * chunk_bytes;
    const std::uint64_t left = device_bytes - offset;
    return {offset, left < chunk_bytes ? left : chunk_bytes};
  }
  // The range of the device below one leaf, cut at the end of the device.
  [[nodiscard]] constexpr Extent leaf_extent(std::uint64_t leaf) const {
    const std::uint64_t offset = leaf * leaf_bytes();
    const std::uint64_t left = device_bytes - offset;
    return {offset, left < leaf_bytes() ? left : leaf_bytes()};
  }
  friend constexpr bool operator==(const Geometry&, const Geometry&) = default;
};

}  // namespace blkrewind::format
