#include "operations/rollback/sequence.h"

#include <utility>

namespace blkrewind {

Way::Looks where_to_look(const LockedDisk& locked, const Tracking& tracking,
                         const format::SnapshotRecord& wanted) {
  const auto* base = locked.state->snapshot(locked.disk.base_snapshot);
  const bool trusted = tracking.source() != nullptr && base != nullptr &&
                       store::tree_of(*base).geometry == store::tree_of(wanted).geometry;
  return trusted ? Way::Looks::kTracker : Way::Looks::kAll;
}

Sequence::Sequence(WayBack back, const pipeline::Stopwatch& watch)
    : back_(std::move(back)),
      way_(back_.way),
      undo_(back_.undo),
      watch_(watch),
      geometry_(store::tree_of(back_.wanted).geometry),
      chunks_(back_.history.env(), back_.history.folder(), geometry_, back_.means.list_leaves),
      begun_(way_.intent == Way::Intent::kExists) {}

Result<RollbackReceipt> Sequence::run() {
  if (Status done = steps(); !done) return fail(ended_by(std::move(done).error()));
  return std::move(receipt_);
}

Status Sequence::steps() {
  BLKREWIND_TRY(find());
  if (way_.intent == Way::Intent::kNone) return plan();
  BLKREWIND_TRY(keep());
  BLKREWIND_TRY(verify());
  // Before it is written to, and before it is said to equal the wanted snapshot.
  BLKREWIND_TRY(
      recheck_device(back_.history.env(), back_.history.folder(), back_.locked.disk, back_.device));
  BLKREWIND_TRY(declare());
  restoring_ = {};
  BLKREWIND_TRY(restore());
  BLKREWIND_TRY(flush());
  Status right = recheck();
  receipt_.restore_seconds = begun_ ? restoring_.seconds() : 0;
  // What was missed is on the device as it was before: a new rollback has written all that it meant
  // to, and ends. A resume reads everything the next time, and ends then.
  const bool ends = right || (missed_ && way_.intent == Way::Intent::kNew && begun_);
  if (!ends) return right;
  if (!right) reset_fails_ = end_of(right.error(), now_seconds());
  BLKREWIND_TRY(finish());
  fill_receipt();
  return right;
}

}  // namespace blkrewind
