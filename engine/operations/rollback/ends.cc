// How a sequence ends: well, with an error, or by another one that puts the device back.
#include <optional>
#include <utility>

#include "base/remedies.h"
#include "host/evidence.h"
#include "operations/rollback/sequence.h"
#include "operations/rollback/words.h"

namespace blkrewind {

// The disk's reset is carried out by the rollback of its request, and by one that resumes an
// interrupted rollback to its snapshot.
std::optional<format::ResetRecord> Sequence::reset_after(const store::State& state,
                                                         bool ends) const {
  const auto* reset = accepted_reset(state, back_.locked.disk.number);
  if (reset == nullptr) return std::nullopt;
  if (ends && reset_fails_) return ended(*reset, *reset_fails_);
  const bool carried_out =
      !is_backwards() &&
      (reset->request_id == back_.request_id ||
       (way_.intent == Way::Intent::kExists && reset->snapshot_id == back_.wanted.id));
  if (!carried_out) return ended(*reset, replaced_by_another(now_seconds()));
  return ends ? std::optional(ended(*reset, {now_seconds(), {}, {}})) : std::nullopt;
}

// The last record: no intent, and the device equals the wanted snapshot.
Status Sequence::finish() {
  // What was collected before and not looked at is kept.
  back_.tracking.prepare(back_.wanted.id, way_.looks == Way::Looks::kDifferences
                                              ? track::Collected::kKept
                                              : track::Collected::kDropped);
  // A device that nothing but its content tells in the next boot has another content now.
  std::optional<host::DeviceInfo> content;
  if (host::is_nameless(back_.locked.disk.identity)) {
    auto seen = back_.history.env().examine(back_.device.info.real_path);
    if (seen) content = std::move(*seen);
  }
  const auto as_it_ends = [&](format::DiskRecord disk) {
    if (content) {
      disk.identity.table_uuid = content->identity.table_uuid;
      disk.identity.filesystem_uuid = content->identity.filesystem_uuid;
      disk.identity.filesystem_type = content->identity.filesystem_type;
    }
    return disk;
  };
  if (content) BLKREWIND_TRY(back_.store.note_disk(as_it_ends(back_.locked.disk)));
  BLKREWIND_TRY(back_.history.log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        const format::DiskRecord& now = *state.disk(back_.locked.disk.number);
        format::Transaction transaction;
        if (state.intents.contains(now.number)) {
          transaction.emplace_back(format::IntentRemoved{now.number});
        }
        format::DiskRecord disk = as_it_ends(now);
        disk.base_snapshot = back_.wanted.number;
        // Where nothing was written, or a rollback was taken back that never ended, what could be
        // undone before still can be.
        if (begun_ && !is_backwards()) {
          disk.last_rollback = {back_.request_id, back_.wanted.number, undo_ ? undo_->number : 0,
                                now_seconds()};
        }
        if (disk != now) transaction.emplace_back(std::move(disk));
        if (auto reset = reset_after(state, true)) transaction.emplace_back(std::move(*reset));
        return transaction;
      },
      store::Room::kFrees));
  back_.tracking.commit();
  finished_ = true;
  return {};
}

void Sequence::fill_receipt() {
  receipt_.request_id = back_.request_id;
  receipt_.disk_id = back_.locked.disk.id;
  receipt_.snapshot_id = back_.wanted.id;
  if (undo_ && !is_backwards()) receipt_.undo_snapshot_id = undo_->id;
  receipt_.device_bytes = geometry_.device_bytes;
  receipt_.root_digest = to_hex(back_.wanted.root_digest);
  receipt_.marked_bytes = pipeline::unreadable_bytes_of(back_.wanted);
  receipt_.recognised_by = back_.device.recognised_by;
  receipt_.ended_interrupted = way_.intent == Way::Intent::kExists;
  receipt_.elapsed_seconds = watch_.seconds();
}

Error Sequence::ended_by(Error error) {
  if (finished_) return error;
  if (back_.history.log().in_doubt()) {
    return in_doubt(std::move(error), back_.locked.disk, begun_);
  }
  if (!begun_) {
    return error.code == Errc::kNoSpace ? no_room(std::move(error), way_.undo == Way::Undo::kKeeps)
                                        : error;
  }
  if (error.code == Errc::kIntegrity && way_.corrupt == Way::Corrupt::kPutBack) {
    return put_back(std::move(error));
  }
  if (error.code == Errc::kIntegrity && way_.corrupt == Way::Corrupt::kSkip) {
    mark_damaged(back_.history, back_.wanted.number);
    return std::move(error).with_remedy(loss_remedy(back_.locked.disk));
  }
  return to_be_resumed(std::move(error), back_.locked.disk, undo_.has_value());
}

// The wanted snapshot cannot be had: the device goes back to the undo snapshot, chunk by chunk
// where it differs. The error says how that ended.
Error Sequence::put_back(Error error) {
  mark_damaged(back_.history, back_.wanted.number);
  const Monitor deaf;  // no cancelling half-way back
  const Way::Looks looks = way_.intent == Way::Intent::kNew
                               ? Way::Looks::kDifferences
                               : where_to_look(back_.locked, back_.tracking, *undo_);
  Sequence back(
      {back_.store, back_.history, back_.locked, back_.device, deaf, back_.means, back_.tracking,
       back_.request_id, back_.verify_after, Way::back(looks), *undo_, undo_, back_.wanted},
      watch_);
  back.limits_ = &chunks_;
  Error as_it_was = error;
  as_it_was.message += "; the device has been put back as it was";
  back.reset_fails_ = end_of(std::move(as_it_was).with_remedy(choose_another()), now_seconds());
  const Status done = back.steps();
  if (done) {
    RollbackReceipt& receipt = back.receipt_;
    error.message += "; the device has been put back as it was";
    if (!receipt.partition_reason.empty()) error.message += "; " + receipt.partition_reason;
    if (receipt.kept_snapshot_id) {
      error.message +=
          ", and what was written to it meanwhile is kept as " + *receipt.kept_snapshot_id;
    }
    return std::move(error).with_remedy(
        std::move(receipt.partition_remedy).and_then(choose_another()));
  }
  const bool lost = done.error().code == Errc::kIntegrity;
  if (lost) mark_damaged(back_.history, undo_->number);
  error.message += "; putting the device back failed as well: " + done.error().to_string();
  if (back_.history.log().in_doubt()) {
    return in_doubt(std::move(error), back_.locked.disk, true);
  }
  return std::move(error).with_remedy(lost ? loss_remedy(back_.locked.disk)
                                           : ways_out(back_.locked.disk.path, true));
}

}  // namespace blkrewind
