#include "operations/tracked_chunks.h"

#include <optional>

namespace blkrewind {

Result<TrackedChunks> TrackedChunks::of(const Rollback& rollback) {
  TrackedChunks chunks(rollback);
  const format::SnapshotRecord& anchor =
      *rollback.locked.state->snapshot(rollback.locked.disk.anchor);
  BLKREWIND_ASSIGN(chunks.queue_, rollback.store.env().make_queue({.depth = 8}));
  chunks.reader_ = std::make_unique<store::TreeReader>(rollback.store.files(), *chunks.queue_,
                                                       rollback.store.secret());
  std::optional<store::TreeDiff> diff;
  if (anchor.number != rollback.target.number) {
    diff.emplace(*chunks.reader_, store::tree_of(anchor), store::tree_of(rollback.target));
  }
  chunks.source_ = std::make_unique<pipeline::TrackedSource>(*rollback.tracking->source(),
                                                             rollback.geometry, std::move(diff));
  return chunks;
}

Result<std::uint64_t> TrackedChunks::work_bytes() const {
  if (rollback_->locked.disk.anchor != rollback_->target.number) {
    return rollback_->geometry.device_bytes;
  }
  return rollback_->tracking->changed_bytes();
}

}  // namespace blkrewind
