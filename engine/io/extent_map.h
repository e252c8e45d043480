// Where the bytes of a file lie on its file system, as FIEMAP tells.
//
// Two files that map a byte to the same place share it: writing to either moves the written part
// elsewhere first (reflink). That is what extent_diff.h builds on.
#pragma once

#include <cstdint>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::io {

struct MappedExtent {
  Extent logical;              // of the file
  std::uint64_t physical = 0;  // the first byte's place; means something only if comparable
  // The place says what the bytes are. False for data in a metadata block, compressed or encrypted,
  // not allocated yet, in an unknown place, or with a mark that this program does not know.
  bool comparable = false;
  bool unwritten = false;  // allocated, reads as zeroes
  friend bool operator==(const MappedExtent&, const MappedExtent&) = default;
};

// A part of a map: what none of the extents holds is a hole.
struct ExtentBatch {
  Extent covers;
  std::vector<MappedExtent> extents;  // ascending, apart, none empty, all within `covers`
};

// The map of a file that is open, for reading at least. The answer begins at range.offset, holds at
// least a byte and may end before range.end(), which lets it be of bounded size. `range` is not
// empty. What is dirty is written back first (FIEMAP_FLAG_SYNC), or its place would not be known.
// Errors: kUnsupported - a file system that does not tell; kIo. Any thread.
[[nodiscard]] Result<ExtentBatch> read_extent_map(int fd, const Extent& range);

}  // namespace blkrewind::io
