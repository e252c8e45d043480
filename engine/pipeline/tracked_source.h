// The candidates of a tracked device: where it may have changed since its base snapshot, and where
// that differs from the snapshot to compare with. Everything else is as the latter says.
//
//   changed(now, wanted) = tree_diff(base, wanted) + changed_since(base)
#pragma once

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

  [[nodiscard]] Result<std::optional<Candidate>> next() override;
  [[nodiscard]] const char* name() const override { return tracker_.name(); }
  [[nodiscard]] Result<std::uint64_t> work_bytes() override;

 private:
  TrackedSource(track::Tracker& tracker, const format::Geometry& geometry)
      : tracker_(tracker), geometry_(geometry) {}
  [[nodiscard]] Status look_ahead();
  [[nodiscard]] std::uint64_t leaf_of_next() const;

  track::Tracker& tracker_;
  const format::Geometry geometry_;
  std::unique_ptr<io::Queue> queue_;  // the reader's
  std::unique_ptr<store::TreeReader> reader_;
  std::optional<store::TreeDiff> diff_;  // none: the two are the same
  bool all_compared_ = false;
  std::optional<store::ChunkDifference> difference_;
  Extent changed_;  // what is left of the tracker's last answer; its end is where to ask next
  bool all_changed_ = false;
};

}  // namespace blkrewind::pipeline
