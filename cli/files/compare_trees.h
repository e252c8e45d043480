// Which files differ between two states of one file system, both mounted read-only.
//
// Names and attributes are compared by walking both. The content of a file is compared by reading
// only where it can differ: where its place on the device changed, or the bytes there did.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "blkrewind/error.h"
#include "cli/files/changed_extents.h"

namespace blkrewind::cli {

// One of the two.
struct MountedTree {
  int root = -1;  // the caller's, open for reading
  // Of the file system on the device that ChangedExtents is about.
  std::uint64_t device_offset = 0;
  // Whether the places that the file system tells are offsets on its device. Those of btrfs are
  // not: they are of an address space of its own, in which a place is not written twice while a
  // file that has not changed refers to it.
  bool tells_device_offsets = true;
};

enum class FileKind : char {
  kNone = '-',
  kFile = 'f',
  kDirectory = 'd',
  kLink = 'l',
  kOther = 'o',
};

struct FileDifference {
  std::string path;  // from the top folder, which is "."; without a slash at its beginning
  FileKind before = FileKind::kNone;  // kNone: it was not there
  FileKind after = FileKind::kNone;
  std::uint64_t size_before = 0;  // of a file
  std::uint64_t size_after = 0;
  bool content = false;     // of a file its bytes, of a link its target, of a device its number
  bool attributes = false;  // mode, owner, modification time, extended attributes
};

struct ComparedFiles {
  std::uint64_t files = 0;       // names that were looked at
  std::uint64_t differing = 0;   // of those
  std::uint64_t read_bytes = 0;  // of content, on one side
};

// Visits the differences in the order of a walk: names of a folder ascending by their bytes, a
// folder before what is in it. kIo names the file that cannot be read. Ends with the first error of
// `visit`, and with kCancelled once `cancel`, which may be null, is true.
using VisitFile = std::function<Status(const FileDifference&)>;
[[nodiscard]] Result<ComparedFiles> compare_trees(const MountedTree& before,
                                                  const MountedTree& after,
                                                  const ChangedExtents& changed,
                                                  const VisitFile& visit,
                                                  const std::atomic<bool>* cancel = nullptr);

}  // namespace blkrewind::cli
