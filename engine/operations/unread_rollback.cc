#include "operations/unread_rollback.h"

#include "operations/tracked_chunks.h"

namespace blkrewind {
Result<UnreadRollback> UnreadRollback::prepare(const Rollback& rollback) {
  UnreadRollback unread(rollback);
  BLKREWIND_ASSIGN(const pipeline::RestoreOutcome verified, unread.stream(Streaming::kVerify));
  if (!verified.bad.empty()) return fail(bad_target(rollback, verified.bad.front()));
  BLKREWIND_TRY(pipeline::all_readable(rollback.store, verified, rollback.geometry));
  unread.planned_.changed_bytes = verified.restored_bytes + verified.zeroed_bytes;
  return unread;
}

Result<pipeline::RestoreOutcome> UnreadRollback::stream(Streaming how) const {
  BLKREWIND_ASSIGN(TrackedChunks tracked, TrackedChunks::of(*rollback_));
  BLKREWIND_ASSIGN(const std::uint64_t work_bytes, tracked.work_bytes());
  // By prepare().
  const bool verified = how == Streaming::kWrite;
  return blkrewind::stream(*rollback_, tracked.source(), work_bytes, how, verified);
}

}  // namespace blkrewind
