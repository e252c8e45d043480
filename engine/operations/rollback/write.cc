// From the store to the device.
#include <utility>

#include "operations/rollback/sequence.h"
#include "operations/rollback/words.h"
#include "pipeline/candidate_stream.h"
#include "store/tree_reader.h"

namespace blkrewind {

Result<pipeline::RestoreOutcome> Sequence::stream(Streaming how) {
  // Bad chunks are kept to be counted and named; so many, and something else is wrong.
  constexpr std::size_t kLostMax = 1'000'000;
  const bool writes = how != Streaming::kVerify;
  BLKREWIND_ASSIGN(auto queue, back_.history.env().make_queue({.depth = 1}));
  store::TreeReader reader(back_.history.files(), *queue, back_.history.secret());
  pipeline::ChunkList::Source differing(chunks_);
  pipeline::RestoreRequest request;
  request.device = writes ? back_.device.file.get() : nullptr;
  request.geometry = geometry_;
  request.chunks = pipeline::candidate_stream(differing, reader, store::tree_of(back_.wanted));
  request.phase = writes ? "restore" : "verify";
  request.work_bytes = chunks_.bytes();
  request.means = back_.means;
  if (how == Streaming::kWriteWhatIsWhole) {
    request.bad_max = kLostMax;
    request.one_by_one = true;
  } else if (writes && way_.looks == Way::Looks::kTracker && way_.reads) {
    // A chunk that a tracker named may differ in one block only, and it has been read already. A
    // file system moves whole blocks of its own.
    request.compare_block_bytes = back_.device.info.kind == host::DeviceKind::kFile
                                      ? static_cast<std::uint32_t>(format::kBlockBytes)
                                      : back_.device.info.logical_sector_bytes;
  }
  // The device may get the store's very blocks.
  const track::Tracker* const tracker = back_.tracking.source();
  request.share = tracker != nullptr && tracker->shares_bytes();
  request.verified = writes && way_.verifies == Way::Verifies::kBefore;
  return pipeline::restore_chunks(back_.history, request, back_.monitor);
}

Status Sequence::verify() {
  if (way_.verifies != Way::Verifies::kBefore || found_.changed_bytes == 0) return {};
  const pipeline::Stopwatch watch;
  BLKREWIND_ASSIGN(const pipeline::RestoreOutcome outcome, stream(Streaming::kVerify));
  receipt_.verify_seconds = watch.seconds();
  if (!outcome.bad.empty()) {
    mark_damaged(back_.history, back_.wanted.number);
    return fail(corrupt_before_writing(outcome.bad.front(), geometry_));
  }
  return pipeline::all_readable(back_.history, outcome, geometry_);
}

Status Sequence::restore() {
  if (!begun_) return {};
  BLKREWIND_ASSIGN(pipeline::RestoreOutcome outcome, stream(Streaming::kWrite));
  if (outcome.failed() != 0 && way_.corrupt == Way::Corrupt::kSkip) {
    BLKREWIND_ASSIGN(outcome, stream(Streaming::kWriteWhatIsWhole));
    if (outcome.failed() != 0) {
      BLKREWIND_TRY(flush());
      return fail(unfinished_chunks(back_.history, outcome, geometry_));
    }
  }
  if (!outcome.bad.empty()) {
    return fail(pipeline::bad_chunk_error(outcome.bad.front(), geometry_));
  }
  // A store that cannot be read now damages nothing: the rollback stands, to be resumed.
  BLKREWIND_TRY(pipeline::all_readable(back_.history, outcome, geometry_));
  back_.tracking.wrote(outcome.restored_bytes + outcome.zeroed_bytes);
  receipt_.restored_bytes = outcome.restored_bytes;
  receipt_.zeroed_bytes = outcome.zeroed_bytes;
  receipt_.extents = outcome.extents;
  return {};
}

// Afterwards no other node over the device's bytes shows what was there before, and the kernel has
// been told of the partition table that is on it now. Where it does not take that, the rollback has
// not failed.
Status Sequence::flush() {
  if (begun_) {
    BLKREWIND_ASSIGN(auto queue, back_.history.env().make_queue({.depth = 1}));
    BLKREWIND_TRY(io::flush_now(*queue, *back_.device.file));
    BLKREWIND_TRY(back_.device.file->settle_caches(host::CacheUse::kAfterWriting));
  }
  const host::PartitionUpdate update = back_.device.file->update_partitions();
  switch (update.state) {
    case host::PartitionUpdate::State::kNone:
      break;
    case host::PartitionUpdate::State::kUnchanged:
      receipt_.partition_table = "unchanged";
      break;
    case host::PartitionUpdate::State::kReread:
      receipt_.partition_table = "reread";
      break;
    case host::PartitionUpdate::State::kStale:
      receipt_.partition_table = "stale";
      receipt_.partition_reason = update.reason;
      receipt_.partition_remedy = update.remedy;
      break;
  }
  return {};
}

}  // namespace blkrewind
