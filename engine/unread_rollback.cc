#include "unread_rollback.h"

#include <optional>

#include "store/tree_cursor.h"
#include "tracked_chunks.h"

namespace blkrewind {
namespace {

// The candidates, chunk by chunk, each with what the target says of it.
class CandidateChunks {
 public:
  CandidateChunks(track::ChangeSource& source, store::TreeReader& reader, const store::Tree& target)
      : source_(source), target_(reader, target) {}

  Result<std::optional<ChunkTarget>> next() {
    while (!candidate_ || at_ == format::kFanout) {
      BLKREWIND_ASSIGN(candidate_, source_.next());
      if (!candidate_) return std::optional<ChunkTarget>{};
      at_ = first_of(0);
    }
    const std::uint64_t chunk = candidate_->leaf * format::kFanout + at_;
    BLKREWIND_ASSIGN(const format::Entries* leaf, target_.leaf(candidate_->leaf));
    const format::Entry entry = leaf != nullptr ? (*leaf)[at_] : format::Entry{};
    at_ = first_of(at_ + 1);
    return std::optional<ChunkTarget>({chunk, entry});
  }

 private:
  [[nodiscard]] std::size_t first_of(std::size_t at) const {
    while (at < format::kFanout && !candidate_->read.test(at)) ++at;
    return at;
  }

  track::ChangeSource& source_;
  store::TreeCursor target_;
  std::optional<track::Candidate> candidate_;
  std::size_t at_ = format::kFanout;
};

}  // namespace

Result<UnreadRollback> UnreadRollback::prepare(const Rollback& rollback) {
  UnreadRollback unread(rollback);
  BLKREWIND_ASSIGN(const RestoreOutcome verified, unread.stream(Streaming::kVerify));
  if (!verified.bad.empty()) return fail(bad_target(rollback, verified.bad.front()));
  BLKREWIND_TRY(all_readable(rollback.store, verified, rollback.geometry));
  unread.planned_.changed_bytes = verified.restored_bytes + verified.zeroed_bytes;
  return unread;
}

Result<RestoreOutcome> UnreadRollback::stream(Streaming how) const {
  BLKREWIND_ASSIGN(TrackedChunks tracked, TrackedChunks::of(*rollback_));
  BLKREWIND_ASSIGN(auto queue, rollback_->store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback_->store.files(), *queue, rollback_->store.secret());
  CandidateChunks chunks(tracked.source(), reader, store::tree_of(rollback_->target));
  RestoreRequest request;
  request.device = how == Streaming::kVerify ? nullptr : rollback_->device.file.get();
  request.geometry = rollback_->geometry;
  request.chunks = [&] { return chunks.next(); };
  request.phase = how == Streaming::kVerify ? "verify" : "restore";
  request.share = rollback_->may_share();
  request.verified = how == Streaming::kWrite;  // by prepare()
  BLKREWIND_ASSIGN(request.work_bytes, tracked.work_bytes());
  request.means = rollback_->means;
  return restore_chunks(rollback_->store, request, rollback_->monitor);
}

}  // namespace blkrewind
