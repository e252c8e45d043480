#include "pipeline/read_lanes.h"

#include <algorithm>

namespace blkrewind::pipeline {

Result<ReadLanes::Held> ReadLanes::take(std::uint32_t chunk_bytes) {
  const std::uint32_t slot_bytes = std::max(kSlotBytes, chunk_bytes);
  const std::size_t most =
      std::clamp<std::size_t>(buffer_bytes_ / (std::uint64_t{kSlots} * slot_bytes), 1, kLanesMax);
  Lane lane;
  {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [&] { return in_use_ < most; });
    ++in_use_;
    if (!idle_.empty()) {
      lane = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  Held held(*this, std::move(lane));
  if (held.lane_.chunks && held.lane_.chunks->slots().front().size_bytes >= slot_bytes) return held;
  BLKREWIND_ASSIGN(held.lane_.chunks, env_.make_queue({.depth = 2 * kSlots,
                                                       .changes_threads = true,
                                                       .slots = kSlots,
                                                       .slot_bytes = slot_bytes}));
  BLKREWIND_ASSIGN(held.lane_.nodes, env_.make_queue({.depth = 1, .changes_threads = true}));
  return held;
}

void ReadLanes::give_back(Lane lane) {
  {
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (lane.chunks && lane.nodes) idle_.push_back(std::move(lane));
  }
  given_back_.notify_all();
}

}  // namespace blkrewind::pipeline
