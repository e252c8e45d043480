// The location of a file's bytes on its file system, as reported by FIEMAP.
//
// Two files that map a byte to the same location share it: a write to either of them moves the
// written part to a new location first (reflink). extent_diff.h relies on that.
#pragma once

#include <cstdint>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::io {

struct MappedExtent {
  Extent logical;              // of the file
  std::uint64_t physical = 0;  // location of the first byte; valid only if comparable
  // The location identifies the content. False for data in a metadata block, compressed or
  // encrypted, not allocated yet, at an unknown location, or with a flag that this program does not
  // know.
  bool comparable = false;
  bool unwritten = false;  // allocated, reads as zeroes
  friend bool operator==(const MappedExtent&, const MappedExtent&) = default;
};

// A part of a map: bytes outside all extents are a hole.
struct ExtentBatch {
  Extent covers;
  std::vector<MappedExtent> extents;  // ascending, disjoint, not empty, all within `covers`
};

// The map of a file that is open, for reading at least. The answer begins at range.offset, holds at
// least a byte and may end before range.end(), which lets it be of bounded size. `range` is not
// empty. What is dirty is written back first (FIEMAP_FLAG_SYNC), or its place would not be known.
// Errors: kUnsupported - a file system that does not tell; kIo. Any thread.
[[nodiscard]] Result<ExtentBatch> read_extent_map(int fd, const Extent& range);

}  // namespace blkrewind::io
