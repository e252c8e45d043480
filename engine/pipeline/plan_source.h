// The change source of a resume: only what the interrupted rollback had planned to write can
// differ.
#pragma once

#include <optional>

#include "pipeline/change_source.h"
#include "store/tree_diff.h"

namespace blkrewind::pipeline {

class PlanSource final : public pipeline::ChangeSource {
 public:
  PlanSource(store::TreeReader& reader, const store::Tree& from, const store::Tree& to)
      : diff_(reader, from, to) {}

  [[nodiscard]] Result<std::optional<pipeline::Candidate>> next() override {
    if (!ahead_) {
      BLKREWIND_ASSIGN(ahead_, diff_.next());
    }
    if (!ahead_) return std::optional<pipeline::Candidate>{};
    pipeline::Candidate candidate;
    candidate.leaf = ahead_->chunk / format::kFanout;
    while (ahead_ && ahead_->chunk / format::kFanout == candidate.leaf) {
      candidate.read.set(ahead_->chunk % format::kFanout);
      BLKREWIND_ASSIGN(ahead_, diff_.next());
    }
    return std::optional<pipeline::Candidate>(candidate);
  }
  [[nodiscard]] const char* name() const override { return "plan"; }

 private:
  store::TreeDiff diff_;
  std::optional<store::ChunkDifference> ahead_;
};

}  // namespace blkrewind::pipeline
