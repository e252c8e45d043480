#include "rollback/planner.h"

#include <algorithm>
#include <utility>

namespace blkrewind::rollback {

Planner::Planner(const format::Geometry& geometry, std::uint64_t request_max_bytes)
    : geometry_(geometry),
      request_max_bytes_(std::max<std::uint64_t>(request_max_bytes, geometry.chunk_bytes)) {}

std::optional<PlanItem> Planner::add(std::uint64_t chunk, const format::Entry& source) {
  const Extent extent = geometry_.chunk_extent(chunk);
  const bool zero = source.is_zero();
  const std::uint64_t limit = zero ? kZeroMaxBytes : request_max_bytes_;
  std::optional<PlanItem> complete;
  if (open_ && (open_->zero != zero || open_->device.end() != extent.offset ||
                open_->device.length + extent.length > limit)) {
    complete = std::exchange(open_, std::nullopt);
  }
  if (!open_) open_ = PlanItem{{extent.offset, 0}, zero, {}};
  open_->device.length += extent.length;
  if (!zero) open_->chunks.push_back({chunk, source});
  return complete;
}

std::optional<PlanItem> Planner::finish() { return std::exchange(open_, std::nullopt); }

}  // namespace blkrewind::rollback
