// Sizes, ranges and identifiers shared by all layers.
//
// Values only: no I/O, no allocation except std::string; safe from any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "blkrewind/export.h"

namespace blkrewind {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kTiB = 1024 * kGiB;

inline constexpr std::uint32_t kDefaultChunkBytes = 64 * kKiB;
inline constexpr std::uint32_t kMinChunkBytes = 4 * kKiB;
inline constexpr std::uint32_t kMaxChunkBytes = 1 * kMiB;

// The largest device that a store accepts. At the smallest chunk size its chunk indices fit in 54
// bits, so index arithmetic never overflows 64 bits.
inline constexpr std::uint64_t kMaxDeviceBytes = std::uint64_t{1} << 62;

// A byte range of a device or a file: [offset, offset + length).
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  [[nodiscard]] constexpr std::uint64_t end() const { return offset + length; }
  [[nodiscard]] constexpr bool empty() const { return length == 0; }
  friend constexpr bool operator==(const Extent&, const Extent&) = default;
};

// A power of two from 4 KiB to 1 MiB.
[[nodiscard]] constexpr bool is_valid_chunk_bytes(std::uint64_t bytes) {
  return bytes >= kMinChunkBytes && bytes <= kMaxChunkBytes && (bytes & (bytes - 1)) == 0;
}

// Rounds `value` up to a multiple of `alignment`, which must be a power of two.
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

[[nodiscard]] constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t alignment) {
  return value & ~(alignment - 1);
}

[[nodiscard]] constexpr bool is_aligned(std::uint64_t value, std::uint64_t alignment) {
  return (value & (alignment - 1)) == 0;
}

// "1536 B", "64 KiB", "1.50 GiB": exact if it is a whole number of the unit, otherwise two
// decimals.
[[nodiscard]] BLKREWIND_API std::string format_bytes(std::uint64_t bytes);

// "[offset 65536, length 4096]"
[[nodiscard]] BLKREWIND_API std::string to_string(const Extent& extent);

}  // namespace blkrewind
