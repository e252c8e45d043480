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

class ExtentMap {
 public:
  virtual ~ExtentMap() = default;
  ExtentMap(const ExtentMap&) = delete;
  ExtentMap& operator=(const ExtentMap&) = delete;

  // Queries the file system. The result starts at range.offset, covers at least a byte and may end
  // before range.end(), so that its size is bounded. `range` must not be empty.
  [[nodiscard]] virtual Result<ExtentBatch> read(const Extent& range) = 0;

 protected:
  ExtentMap() = default;
};

// For an open file. Dirty pages are written back first (FIEMAP_FLAG_SYNC), because their location
// is unknown before. Errors: kUnsupported - the file system does not report locations; kIo.
class FileExtentMap final : public ExtentMap {
 public:
  // `fd` outlives this object; it needs to be open for reading only.
  explicit FileExtentMap(int fd) : fd_(fd) {}
  [[nodiscard]] Result<ExtentBatch> read(const Extent& range) override;

 private:
  const int fd_;
};

}  // namespace blkrewind::io
