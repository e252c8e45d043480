#include "operations/verify_after.h"

#include "operations/missed_extents.h"
#include "pipeline/full_scan.h"
#include "pipeline/plan_source.h"
#include "pipeline/scan.h"
#include "store/tree_reader.h"

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

Result<std::uint64_t> read_back(const Rollback& rollback, pipeline::ChangeSource& written,
                                std::uint64_t work_bytes) {
  rollback.device.file->drop_cache();
  MissedExtents lost(rollback.geometry);
  pipeline::ScanRequest request;
  request.device = rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.source = &written;
  request.references.push_back(store::tree_of(rollback.target));
  request.means = rollback.means;
  request.phase = "verify";
  request.work_bytes = work_bytes;
  request.visit = [&](const pipeline::ScanResult& leaf) -> Status {
    lost.add(leaf);
    return {};
  };
  BLKREWIND_ASSIGN(const pipeline::ScanOutcome outcome,
                   pipeline::scan_device(rollback.store, request, rollback.monitor));
  if (outcome.changed_bytes != 0) return fail(lost.lost_error(rollback));
  return outcome.scanned_bytes;
}

Status recheck_all(const Rollback& rollback, RollbackReceipt& receipt, bool* missed) {
  pipeline::FullScan everything(*rollback.device.file, rollback.geometry);
  MissedExtents found(rollback.geometry);
  pipeline::ScanRequest request;
  request.device = rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.source = &everything;
  request.references.push_back(store::tree_of(rollback.target));
  request.means = rollback.means;
  request.phase = "verify";
  request.work_bytes = rollback.geometry.device_bytes;
  request.visit = [&](const pipeline::ScanResult& leaf) -> Status {
    found.add(leaf);
    return {};
  };
  BLKREWIND_ASSIGN(const pipeline::ScanOutcome outcome,
                   pipeline::scan_device(rollback.store, request, rollback.monitor));
  receipt.rechecked_bytes = outcome.scanned_bytes;
  if (outcome.changed_bytes == 0) return {};
  *missed = true;
  rollback.tracking->distrust("it had missed a change: a rollback with --paranoid found it");
  return fail(found.error(rollback, receipt.change_source));
}

Status verify_written(const Rollback& rollback, pipeline::ChangeSource& written,
                      RollbackReceipt& receipt, bool* missed) {
  const std::uint64_t written_bytes = receipt.restored_bytes + receipt.zeroed_bytes;
  const VerifyAfter settled = settle_verify_after(
      rollback.verify_after, written_bytes,
      receipt.scanned_bytes + receipt.undo_stored_bytes + receipt.kept_bytes + written_bytes);
  if (settled != VerifyAfter::kNone && receipt.changed_bytes != 0) {
    BLKREWIND_ASSIGN(receipt.read_back_bytes, read_back(rollback, written, receipt.changed_bytes));
  }
  receipt.verified_after = name_of(settled);
  if (settled == VerifyAfter::kAll) return recheck_all(rollback, receipt, missed);
  // A scan looks at the size as well.
  return pipeline::check_same_size(*rollback.device.file, rollback.geometry.device_bytes);
}

Status verify_written(const Rollback& rollback, const store::Tree& now,
                      store::SegmentWriter* writer, RollbackReceipt& receipt, bool* missed) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret(), writer);
  pipeline::PlanSource plan(reader, now, store::tree_of(rollback.target));
  return verify_written(rollback, plan, receipt, missed);
}

}  // namespace blkrewind
