// Methods to make an extent read as zeroes.
//
// In this order, each until the kernel refuses it on the file (fallocate(2); for block devices
// block/fops.c, blkdev_fallocate):
//   kPunch      PUNCH_HOLE | KEEP_SIZE. A device uses its own write-zeroes command, and may unmap
//               what it zeroes, but only if it guarantees zeroes afterwards: this is not a discard.
//               A regular file frees the blocks.
//   kZeroRange  ZERO_RANGE | KEEP_SIZE. The same without unmapping; the kernel itself writes zero
//               pages if the device has no command for it.
//   kWrite      plain writes of zero bytes.
// For an image that is fully allocated when it is opened, kZeroRange is the first method: it keeps
// its blocks, which were reserved on purpose (preallocation.h). A sparse one gets holes. BLKDISCARD
// is never used: the content of a discarded range depends on the device.
#pragma once

#include <cstdint>

#include "blkrewind/units.h"

namespace blkrewind::io {

enum class ZeroMethod : std::uint8_t { kPunch, kZeroRange, kWrite };

// A request is zeroed in pieces of at most this length, so that a cancelled operation waits for one
// piece rather than for a terabyte.
inline constexpr std::uint64_t kMaxZeroPieceBytes = 128 * kMiB;

// The first piece of an extent and how to do it.
struct ZeroPiece {
  ZeroMethod method = ZeroMethod::kWrite;
  Extent extent;
};

// `remaining`: not empty. `sector_bytes`: fallocate requires multiples of it; the unaligned ends
// are written plainly. `write_bytes`: the longest plain write.
[[nodiscard]] ZeroPiece first_zero_piece(Extent remaining, ZeroMethod method,
                                         std::uint32_t sector_bytes, std::uint64_t write_bytes);

// The mode for fallocate(2); kPunch and kZeroRange only.
[[nodiscard]] int fallocate_mode(ZeroMethod method);

// True for an errno by which the kernel says "not on this file", rather than "not now".
[[nodiscard]] bool means_unsupported(int sys_errno);

[[nodiscard]] ZeroMethod next_zero_method(ZeroMethod refused);

}  // namespace blkrewind::io
