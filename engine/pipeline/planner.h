// Merges differing chunks into long requests. Pure: no I/O, nothing is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "blkrewind/units.h"
#include "format/entry.h"
#include "format/geometry.h"
#include "format/records.h"

namespace blkrewind::pipeline {

struct PlannedChunk {
  std::uint64_t chunk = 0;
  format::Entry source;  // stored
};

// One request to the device: zeroes, or stored chunks that are adjacent on it.
struct PlanItem {
  Extent device;
  bool zero = false;
  std::vector<PlannedChunk> chunks;  // empty for zeroes
};

// Takes chunks in ascending order and merges neighbours: stored ones up to `request_max_bytes` (at
// least one chunk), zeroes up to kZeroMaxBytes, so that progress and cancellation stay responsive.
class Planner {
 public:
  static constexpr std::uint64_t kZeroMaxBytes = 256 * kMiB;

  // `segments_max`: the maximum number of segments that hold the chunks of one item, because each
  // is an open file.
  Planner(const format::Geometry& geometry, std::uint64_t request_max_bytes,
          std::size_t segments_max = std::numeric_limits<std::size_t>::max());

  // The previous item, if this chunk no longer belongs to it.
  [[nodiscard]] std::optional<PlanItem> add(std::uint64_t chunk, const format::Entry& source);
  // The last item.
  [[nodiscard]] std::optional<PlanItem> finish();

 private:
  [[nodiscard]] bool is_another_segment(format::SegmentId id) const;

  const format::Geometry geometry_;
  const std::uint64_t request_max_bytes_;
  const std::size_t segments_max_;
  std::optional<PlanItem> open_;
  std::vector<format::SegmentId> segments_;  // of the current item
};

}  // namespace blkrewind::pipeline
