#include "pipeline/planner.h"

#include <algorithm>
#include <utility>

namespace blkrewind::pipeline {

Planner::Planner(const format::Geometry& geometry, std::uint64_t request_max_bytes,
                 std::size_t segments_max)
    : geometry_(geometry),
      request_max_bytes_(std::max<std::uint64_t>(request_max_bytes, geometry.chunk_bytes)),
      segments_max_(std::max<std::size_t>(segments_max, 1)) {}

bool Planner::is_another_segment(format::SegmentId id) const {
  return std::ranges::find(segments_, id) == segments_.end();
}

std::optional<PlanItem> Planner::add(std::uint64_t chunk, const format::Entry& source) {
  const Extent extent = geometry_.chunk_extent(chunk);
  const bool zero = source.is_zero();
  const std::uint64_t limit = zero ? kZeroMaxBytes : request_max_bytes_;
  std::optional<PlanItem> complete;
  if (open_ &&
      (open_->zero != zero || open_->device.end() != extent.offset ||
       open_->device.length + extent.length > limit ||
       (!zero && segments_.size() >= segments_max_ && is_another_segment(source.segment)))) {
    complete = std::exchange(open_, std::nullopt);
  }
  if (!open_) {
    open_ = PlanItem{{extent.offset, 0}, zero, {}};
    segments_.clear();
  }
  open_->device.length += extent.length;
  if (zero) return complete;
  open_->chunks.push_back({chunk, source});
  if (is_another_segment(source.segment)) segments_.push_back(source.segment);
  return complete;
}

std::optional<PlanItem> Planner::finish() { return std::exchange(open_, std::nullopt); }

}  // namespace blkrewind::pipeline
