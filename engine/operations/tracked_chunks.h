// The chunks of a device that may differ from the target of a rollback, as its tracker says.
#pragma once

#include <cstdint>
#include <memory>

#include "operations/rollback_steps.h"
#include "pipeline/tracked_source.h"
#include "store/tree_reader.h"

namespace blkrewind {

// Only while the rollback's tracking has a source, and its anchor a tree of the same geometry.
class TrackedChunks {
 public:
  [[nodiscard]] static Result<TrackedChunks> of(const Rollback& rollback);

  [[nodiscard]] pipeline::ChangeSource& source() { return *source_; }
  // About what there is to look at: an upper bound where the anchor is another snapshot.
  [[nodiscard]] Result<std::uint64_t> work_bytes() const;

 private:
  explicit TrackedChunks(const Rollback& rollback) : rollback_(&rollback) {}

  const Rollback* rollback_;
  std::unique_ptr<io::Queue> queue_;  // the reader's
  std::unique_ptr<store::TreeReader> reader_;
  std::unique_ptr<pipeline::TrackedSource> source_;
};

}  // namespace blkrewind
