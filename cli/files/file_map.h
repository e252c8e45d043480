// Where the bytes of a file are on the device of its file system.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::cli {

// A range of a file. Holes are in no range.
struct MappedRange {
  Extent file;
  // Its place on the device of the file system. Nothing: inside of the file system's own
  // structures, packed, or not allocated for good.
  std::optional<std::uint64_t> device_offset;
  bool unwritten = false;  // allocated, and reads as zeroes
  friend bool operator==(const MappedRange&, const MappedRange&) = default;
};
using FileMap = std::vector<MappedRange>;

// In ascending order. By FIEMAP (Documentation/filesystems/fiemap.rst), or block by block by
// FIBMAP, which only root may use. Nothing: the file system tells neither, or the file is in too
// many pieces for it to be worthwhile.
[[nodiscard]] std::optional<FileMap> map_of(int fd, const struct stat& status);

}  // namespace blkrewind::cli
