// Finishing an interrupted rollback: forwards to its target, or backwards to the state before it.
#include <utility>

#include "blkrewind/shell.h"
#include "operations/rollback_steps.h"

namespace blkrewind {
Result<RollbackReceipt> Operations::resume(format::DiskNumber number, const std::string& path,
                                           bool backwards, const Monitor& monitor,
                                           std::shared_ptr<io::Lock> held,
                                           VerifyAfter verify_after) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kAllow, std::move(held)));
  const auto found = locked.state->intents.find(number);
  if (found == locked.state->intents.end()) {
    return fail(Errc::kPrecondition, "no rollback of " + locked.disk.path + " was interrupted",
                "see: blkrewind list");
  }
  const format::IntentRecord intent = found->second;
  if (backwards && intent.undo == 0) {
    return fail(Errc::kPrecondition,
                "the interrupted rollback was started with --no-undo: the state before it is gone",
                "finish it: blkrewind resume " + shell_word(locked.disk.path));
  }
  BLKREWIND_ASSIGN(const auto forward, find_accomplished(*locked.state, intent.target));
  std::optional<format::SnapshotRecord> undo;
  if (intent.undo != 0) {
    BLKREWIND_ASSIGN(undo, find_accomplished(*locked.state, intent.undo));
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, path, DeviceUse::kWrite));
  remember_seen(store, locked, device);
  BLKREWIND_TRY(check_size(device, forward));
  BLKREWIND_ASSIGN(Tracking tracking,
                   Tracking::begin(parts_->trackers, store, locked, device.info,
                                   ChangeSource::kAuto, track::TrackUse::kWrite));
  const Rollback rollback{store,
                          locked,
                          device,
                          monitor,
                          parts_->means,
                          store::tree_of(forward).geometry,
                          intent.request_id,
                          backwards ? *undo : forward,
                          undo,
                          &tracking,
                          false,
                          verify_after};
  auto done = drive_to_target(rollback, backwards ? std::optional(forward) : undo,
                              backwards || !undo ? Streaming::kWriteWhatIsWhole : Streaming::kWrite,
                              Hold::kAnew);
  if (!done) {
    Error error = std::move(done).error();
    if (error.code == Errc::kIntegrity && undo && !backwards) {
      return fail(put_back(rollback, std::move(error), Hold::kAnew));
    }
    if (error.code == Errc::kIntegrity) {
      mark_damaged(store, rollback.target.number);
      return fail(std::move(error).with_hint(loss_hint(rollback)));
    }
    return fail(to_be_resumed(rollback, std::move(error)));
  }
  // Taken back, the interrupted rollback never was: what could be undone before still can be.
  const format::LastRollback last =
      backwards
          ? locked.disk.last_rollback
          : format::LastRollback{intent.request_id, intent.target, intent.undo, now_seconds()};
  // All of the device has been looked at, or all that the tracker had collected.
  BLKREWIND_TRY(finish(rollback, last, track::Collected::kDropped));
  done->ended_interrupted = true;
  if (backwards) done->undo_snapshot_id.reset();
  return done;
}

}  // namespace blkrewind
