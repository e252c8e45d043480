#include "pipeline/tracked_source.h"

#include <algorithm>

namespace blkrewind::pipeline {

Result<std::unique_ptr<TrackedSource>> TrackedSource::make(store::History& history,
                                                           track::Tracker& tracker,
                                                           const format::SnapshotRecord& base,
                                                           const format::SnapshotRecord& wanted) {
  auto source = std::make_unique<TrackedSource>(
      tracker.name(), [&tracker](std::uint64_t offset) { return tracker.changed(offset); },
      store::tree_of(wanted).geometry);
  if (base.number != wanted.number) {
    BLKREWIND_ASSIGN(source->queue_, history.env().make_queue({.depth = 1}));
    source->reader_ =
        std::make_unique<store::TreeReader>(history.files(), *source->queue_, history.secret());
    source->diff_.emplace(*source->reader_, store::tree_of(base), store::tree_of(wanted));
  }
  return source;
}

Result<std::optional<Candidate>> TrackedSource::next() {
  BLKREWIND_TRY(look_ahead());
  if (changed_.empty() && !difference_) return std::optional<Candidate>{};
  Candidate candidate;
  candidate.leaf = leaf_of_next();
  const Extent leaf = geometry_.leaf_extent(candidate.leaf);
  while (!changed_.empty() && changed_.offset < leaf.end()) {
    const std::uint64_t end = std::min(changed_.end(), leaf.end());
    for (std::uint64_t at = changed_.offset / geometry_.chunk_bytes * geometry_.chunk_bytes;
         at < end; at += geometry_.chunk_bytes) {
      candidate.read.set((at - leaf.offset) / geometry_.chunk_bytes);
    }
    changed_ = {end, changed_.end() - end};
    BLKREWIND_TRY(look_ahead());
  }
  while (difference_ && difference_->chunk / format::kFanout == candidate.leaf) {
    candidate.read.set(difference_->chunk % format::kFanout);
    difference_.reset();
    BLKREWIND_TRY(look_ahead());
  }
  return std::optional<Candidate>(candidate);
}

Result<std::uint64_t> TrackedSource::work_bytes() {
  if (diff_) return geometry_.device_bytes;
  std::uint64_t bytes = 0;
  for (std::uint64_t at = 0;;) {
    BLKREWIND_ASSIGN(const Extent extent, ask_(at));
    if (extent.empty()) return bytes;
    bytes += extent.length;
    at = extent.end();
  }
}

Status TrackedSource::look_ahead() {
  if (changed_.empty() && !all_changed_) {
    BLKREWIND_ASSIGN(changed_, ask_(changed_.end()));
    all_changed_ = changed_.empty();
  }
  if (!difference_ && diff_ && !all_compared_) {
    BLKREWIND_ASSIGN(difference_, diff_->next());
    all_compared_ = !difference_;
  }
  return {};
}

std::uint64_t TrackedSource::leaf_of_next() const {
  const std::uint64_t changed = changed_.offset / geometry_.leaf_bytes();
  if (!difference_) return changed;
  const std::uint64_t differing = difference_->chunk / format::kFanout;
  return changed_.empty() ? differing : std::min(changed, differing);
}

}  // namespace blkrewind::pipeline
