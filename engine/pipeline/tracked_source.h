// The change source of a tracked device: where it may have changed since the anchor, and where the
// anchor differs from the tree to compare with. Everything else is as that tree says.
//
//   changed(now, target) = tree_diff(anchor, target) + changed_since(anchor)
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/change_source.h"
#include "store/tree_diff.h"
#include "track/tracker.h"

namespace blkrewind::pipeline {

class TrackedSource final : public pipeline::ChangeSource {
 public:
  // `diff`: of the anchor and the tree to compare with; none: they are the same.
  TrackedSource(track::Tracker& tracker, const format::Geometry& geometry,
                std::optional<store::TreeDiff> diff)
      : tracker_(tracker), geometry_(geometry), diff_(std::move(diff)) {}

  [[nodiscard]] Result<std::optional<pipeline::Candidate>> next() override {
    BLKREWIND_TRY(look_ahead());
    if (changed_.empty() && !difference_) return std::optional<pipeline::Candidate>{};
    pipeline::Candidate candidate;
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
    return std::optional<pipeline::Candidate>(candidate);
  }
  [[nodiscard]] const char* name() const override { return tracker_.name(); }

 private:
  Status look_ahead() {
    if (changed_.empty() && !all_changed_) {
      BLKREWIND_ASSIGN(changed_, tracker_.changed(changed_.end()));
      all_changed_ = changed_.empty();
    }
    if (!difference_ && diff_) {
      BLKREWIND_ASSIGN(difference_, diff_->next());
      if (!difference_) diff_.reset();
    }
    return {};
  }

  [[nodiscard]] std::uint64_t leaf_of_next() const {
    const std::uint64_t changed = changed_.offset / geometry_.leaf_bytes();
    if (!difference_) return changed;
    const std::uint64_t differing = difference_->chunk / format::kFanout;
    return changed_.empty() ? differing : std::min(changed, differing);
  }

  track::Tracker& tracker_;
  const format::Geometry geometry_;
  std::optional<store::TreeDiff> diff_;
  Extent changed_;  // what is left of the tracker's last answer; its end is where to ask next
  bool all_changed_ = false;
  std::optional<store::ChunkDifference> difference_;
};

}  // namespace blkrewind::pipeline
