// One pass over what may have changed on a device: compared with trees, and made into a tree.
//
// device -> change source -> lanes (read, digest, compare, capture) -> results in order -> tree
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "io/env.h"
#include "pipeline/change_source.h"
#include "pipeline/scan_lane.h"
#include "pipeline/unreadable_extents.h"
#include "pipeline/workforce.h"
#include "store/store.h"

namespace blkrewind::pipeline {

struct ScanRequest {
  io::File* device = nullptr;
  format::Geometry geometry;
  pipeline::ChangeSource* source = nullptr;
  // The trees to compare with, all of this geometry. The first is what "changed" means and what the
  // new tree shares nodes with; none: everything is compared with zero.
  std::vector<store::Tree> references;
  // Where the new tree's nodes go; nullptr: no tree is made.
  store::SegmentWriter* writer = nullptr;
  // Chunks that no reference holds are stored (needs `writer`).
  bool capture = false;
  Means means;
  std::uint64_t work_bytes = 0;  // an estimate of what will be read
  const char* phase = "scan";    // of the progress
  // Sectors that the medium cannot read: a chunk with one differs from everything, and the outcome
  // names them. Otherwise the scan fails and names them, with kIo.
  bool passes_over_unreadable = false;
  std::string mark = {};  // with `capture`: what stands there instead (track/unreadable_mark.h)
  // Sees every leaf that was looked at, in order. May be empty.
  std::function<Status(const pipeline::ScanResult&)> visit;
};

struct ScanOutcome {
  format::Entry root;  // of the new tree
  std::uint64_t scanned_bytes = 0;
  std::uint64_t changed_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t zero_bytes = 0;            // of the leaves that were looked at
  std::uint64_t reference_zero_bytes = 0;  // of the same leaves in the first reference
  std::uint64_t foreign_bytes = 0;         // of chunks that equal none of the references
  UnreadableExtents unreadable;
};

// kIo as well when the device or file has another size than its geometry when the scan ends.
[[nodiscard]] Result<ScanOutcome> scan_device(store::Store& store, const ScanRequest& request,
                                              const Monitor& monitor);

// kIo when the file has become shorter or longer than `size_bytes`.
[[nodiscard]] Status check_same_size(io::File& file, std::uint64_t size_bytes);

}  // namespace blkrewind::pipeline
