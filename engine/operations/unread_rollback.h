// A rollback that does not read the device: a tracker says what may differ from the target, nothing
// is kept for undo, and so all of that is written anew.
#pragma once

#include "operations/rollback_steps.h"
#include "pipeline/restore.h"
#include "pipeline/scan.h"

namespace blkrewind {

class UnreadRollback {
 public:
  // Reads and verifies every chunk that will be needed: nothing has been written when one is
  // corrupt, and kIntegrity says so. `rollback` outlives the result.
  [[nodiscard]] static Result<UnreadRollback> prepare(const Rollback& rollback);

  // As a scan would say it: nothing read, and all that may differ is changed.
  [[nodiscard]] const pipeline::ScanOutcome& planned() const { return planned_; }
  [[nodiscard]] Result<pipeline::RestoreOutcome> stream(Streaming how) const;

 private:
  explicit UnreadRollback(const Rollback& rollback) : rollback_(&rollback) {}

  const Rollback* rollback_;
  pipeline::ScanOutcome planned_;
};

}  // namespace blkrewind
