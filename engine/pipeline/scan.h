// One pass over what may have changed on a device: compared with trees, and made into a tree.
//
// device -> candidates -> workers (read, digest, compare, capture) -> results in order -> tree
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "io/env.h"
#include "pipeline/candidate_source.h"
#include "pipeline/scan_worker.h"
#include "pipeline/unreadable_extents.h"
#include "pipeline/workforce.h"
#include "store/history.h"

namespace blkrewind::pipeline {

struct ScanRequest {
  io::File* device = nullptr;
  format::Geometry geometry;
  Means means;
  // The snapshots to compare with, all of this geometry; with `writer`, also trees that it has
  // written (write_nodes()). The first is what "changed" means and what
  // the new tree shares nodes with; none: everything is compared with zero.
  std::vector<format::SnapshotRecord> references;
  // What is looked at; everything else is as the first reference says. nullptr: all of the device.
  CandidateSource* candidates = nullptr;
  // Where the tree of the device as it is now goes, and the chunks that no reference holds;
  // nullptr: no tree is made.
  store::SegmentWriter* writer = nullptr;
  // Sectors that the medium cannot read: a chunk with one differs from everything, and the outcome
  // names them. Otherwise the scan fails and names them, with kIo.
  bool passes_over_unreadable = false;
  std::string mark = {};  // with `writer`: what stands there instead (unreadable_placeholder.h)
  // Sees every leaf that was looked at, in order. May be empty.
  std::function<Status(const ScanResult&)> visit = {};
  const char* phase = "scan";  // of the progress
};

struct ScanOutcome {
  format::Entry root;  // of the new tree
  std::uint64_t scanned_bytes = 0;
  std::uint64_t changed_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t zero_bytes = 0;     // of the whole device, also where it was not looked at
  std::uint64_t foreign_bytes = 0;  // of chunks that equal none of the references
  UnreadableExtents unreadable;
  std::string change_source;  // the candidates' name
  double seconds = 0;         // that it took
};

// kIo as well when the device or file has another size than its geometry when the scan ends.
[[nodiscard]] Result<ScanOutcome> scan_device(store::History& history, const ScanRequest& request,
                                              const Monitor& monitor);

// kIo when the file has become shorter or longer than `size_bytes`.
[[nodiscard]] Status check_same_size(io::File& file, std::uint64_t size_bytes);

}  // namespace blkrewind::pipeline
