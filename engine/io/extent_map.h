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

class ExtentMap {
 public:
  virtual ~ExtentMap() = default;
  ExtentMap(const ExtentMap&) = delete;
  ExtentMap& operator=(const ExtentMap&) = delete;

  // Asks anew. The answer begins at range.offset, holds at least a byte and may end before
  // range.end(), which lets it be of bounded size. `range` is not empty.
  [[nodiscard]] virtual Result<ExtentBatch> read(const Extent& range) = 0;

 protected:
  ExtentMap() = default;
};

// Of an open file. What is dirty is written back first (FIEMAP_FLAG_SYNC), or its place would not
// be known. Errors: kUnsupported - a file system that does not tell; kIo.
class FileExtentMap final : public ExtentMap {
 public:
  // `fd` outlives this object; it needs to be open for reading only.
  explicit FileExtentMap(int fd) : fd_(fd) {}
  [[nodiscard]] Result<ExtentBatch> read(const Extent& range) override;

 private:
  const int fd_;
};

}  // namespace blkrewind::io
