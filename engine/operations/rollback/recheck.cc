// Reading back what was written to a device: a write that was flushed may still be lost by what
// lies below (a medium or controller that drops writes), and only a digest that was read back is
// known.
#include "operations/rollback/recheck.h"

#include "operations/rollback/sequence.h"
#include "operations/rollback/words.h"

namespace blkrewind {

VerifyAfter settle_verify_after(VerifyAfter wanted, std::uint64_t written,
                                std::uint64_t moved_bytes) {
  if (wanted != VerifyAfter::kAuto) return wanted;
  // So little takes no time worth saving.
  constexpr std::uint64_t kAlwaysBytes = 16 * kMiB;
  if (written <= kAlwaysBytes || written <= moved_bytes / 10) return VerifyAfter::kWritten;
  return VerifyAfter::kNone;
}

const char* name_of(VerifyAfter settled) {
  switch (settled) {
    case VerifyAfter::kWritten:
      return "written";
    case VerifyAfter::kAll:
      return "all";
    case VerifyAfter::kAuto:
    case VerifyAfter::kNone:
      break;
  }
  return "none";
}

namespace {

void tally_differing(pipeline::ScanRequest& request, pipeline::ExtentTally& tally) {
  request.phase = "verify";
  request.visit = [&request, &tally](const pipeline::ScanResult& leaf) -> Status {
    pipeline::for_each_chunk(leaf.leaf, leaf.differing, [&](std::uint64_t chunk) {
      tally.add(request.geometry.chunk_extent(chunk));
    });
    return {};
  };
}

}  // namespace

Status Sequence::recheck() {
  const std::uint64_t written = receipt_.restored_bytes + receipt_.zeroed_bytes;
  const VerifyAfter settled = settle_verify_after(
      back_.verify_after, written,
      receipt_.scanned_bytes + receipt_.undo_stored_bytes + receipt_.kept_bytes + written);
  if (settled != VerifyAfter::kNone && receipt_.changed_bytes != 0) BLKREWIND_TRY(read_back());
  receipt_.verified_after = name_of(settled);
  if (settled == VerifyAfter::kAll) return recheck_all();
  // A scan looks at the size as well.
  return pipeline::check_same_size(*back_.device.file, geometry_.device_bytes);
}

// What differs was written, so the device lost it.
Status Sequence::read_back() {
  back_.device.file->drop_cache();
  pipeline::ChunkList::Source written(chunks_);
  pipeline::ScanRequest request = comparison();
  request.candidates = &written;
  pipeline::ExtentTally lost;
  tally_differing(request, lost);
  BLKREWIND_ASSIGN(const pipeline::ScanOutcome outcome,
                   pipeline::scan_device(back_.history, request, back_.monitor));
  if (!lost.empty()) return fail(lost_error(lost, back_.device.info.path));
  receipt_.read_back_bytes = outcome.scanned_bytes;
  return {};
}

// What differs now was never looked at: the change source had missed it.
Status Sequence::recheck_all() {
  pipeline::ScanRequest request = comparison();
  pipeline::ExtentTally found;
  tally_differing(request, found);
  BLKREWIND_ASSIGN(const pipeline::ScanOutcome outcome,
                   pipeline::scan_device(back_.history, request, back_.monitor));
  receipt_.rechecked_bytes = outcome.scanned_bytes;
  if (found.empty()) return {};
  missed_ = true;
  back_.tracking.distrust("it had missed a change: a rollback with --paranoid found it");
  return fail(missed_error(found, receipt_.change_source, back_));
}

}  // namespace blkrewind
