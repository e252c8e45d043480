// The candidates of a tracked device: where it may have changed since its base snapshot, and where
// that differs from the snapshot to compare with. Everything else is as the latter says.
//
//   changed(now, wanted) = tree_diff(base, wanted) + changed_since(base)
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "pipeline/candidate_source.h"
#include "store/history.h"
#include "store/tree_diff.h"
#include "store/tree_reader.h"
#include "track/tracker.h"

namespace blkrewind::pipeline {

class TrackedSource final : public CandidateSource {
 public:
  // `base`: of the tracker. Two snapshots of one geometry. `store` and `tracker` outlive it.
  [[nodiscard]] static Result<std::unique_ptr<TrackedSource>> make(
      store::History& history, track::Tracker& tracker, const format::SnapshotRecord& base,
      const format::SnapshotRecord& wanted);

  // The first extent at or after an offset that may have changed; empty: none. With the same
  // results each time.
  using Changed = std::function<Result<Extent>(std::uint64_t offset)>;
  // Only what `changed` says.
  TrackedSource(const char* name, Changed changed, const format::Geometry& geometry)
      : name_(name), ask_(std::move(changed)), geometry_(geometry) {}

  [[nodiscard]] Result<std::optional<Candidate>> next() override;
  [[nodiscard]] const char* name() const override { return name_; }
  [[nodiscard]] Result<std::uint64_t> work_bytes() override;

 private:
  [[nodiscard]] Status look_ahead();
  [[nodiscard]] std::uint64_t leaf_of_next() const;

  const char* const name_;
  const Changed ask_;
  const format::Geometry geometry_;
  std::unique_ptr<io::Queue> queue_;  // the reader's
  std::unique_ptr<store::TreeReader> reader_;
  std::optional<store::TreeDiff> diff_;  // none: the two are the same
  bool all_compared_ = false;
  std::optional<store::ChunkDifference> difference_;
  Extent changed_;  // what is left of the last answer; its end is where to ask next
  bool all_changed_ = false;
};

}  // namespace blkrewind::pipeline
