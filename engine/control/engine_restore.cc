// Rollback, undo and resume: each must pass the rules of ResetDisk before Operations is called.
#include <memory>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/remedies.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"

namespace blkrewind {

using control::refused;
using control::ResetRule;

namespace {

// Refusals that have no code in the API.
Error refused_plainly(const std::string& why, Remedy remedy) {
  Error error;
  error.code = Errc::kPrecondition;
  error.message = why;
  error.remedy = std::move(remedy);
  return error;
}

// Another process has taken the lock of the disk since its view was read.
Result<RollbackReceipt> unless_busy(Result<RollbackReceipt> result, const std::string& path) {
  if (!result && result.error().code == Errc::kBusy) return fail(control::conflict(path));
  return result;
}

}  // namespace

// The rules of the API. Refusals outside its table (identity, read-only, the store's own device)
// are made by Operations when it opens the device, before it changes anything.
Status Engine::Impl::allow(const Restore& restore) {
  control::FactSources sources;
  sources.env = env_;
  sources.catalog = catalog_.get();
  sources.accept_available = accept_available_;
  sources.now = now();
  BLKREWIND_ASSIGN(const control::ResetFacts facts,
                   control::gather_facts(sources, restore.request, restore.found));
  if (const auto refusal = control::decide_reset(facts)) {
    // An operation of blkrewind itself holds the device open: that is not a matter of the instance.
    const auto& disk = facts.disk;
    if (refusal->rule == ResetRule::kInstanceStatus && restore.found.disk->locked &&
        (disk->instance.local || disk->instance.id.empty() || disk->instance.stopped)) {
      return fail(control::conflict(restore.found.path));
    }
    log::info("refused: " + std::string(to_string(text_of(refusal->rule).api)) + ": " +
              refusal->remedy.to_string());
    return fail(control::to_error(*refusal));
  }
  return {};
}

Result<RollbackReceipt> Engine::Impl::restore_to(const Restore& restore,
                                                 const RollbackOptions& options,
                                                 const Monitor& monitor) {
  BLKREWIND_TRY(allow(restore));
  RollbackRequest request;
  request.disk = restore.found.disk->disk.number;
  request.target = restore.found.snapshot->number;
  request.path = restore.found.path;
  request.request_id = new_request_id();
  request.takes_back = restore.takes_back;
  request.undo = options.undo;
  request.dry_run = options.dry_run;
  request.change_source = options.change_source;
  request.verify_after = options.paranoid ? VerifyAfter::kAll : options.verify_after;
  return unless_busy(operations_->rollback(request, monitor), request.path);
}

Result<Engine::Impl::Restore> Engine::Impl::resolve(const std::string& target,
                                                    const std::string& snapshot) {
  Restore restore;
  restore.request.target = target;
  restore.request.snapshot_text = snapshot;
  BLKREWIND_ASSIGN(auto found, find(target));
  if (found) {
    BLKREWIND_ASSIGN(const auto views, views_for(snapshot, found->view.disk.number));
    if (const auto match = control::find_snapshot(views, found->view.disk.number, snapshot)) {
      restore.found.snapshot = *match->snapshot;
    }
    restore.found.path = std::move(found->path);
    restore.found.disk = std::move(found->view);
  }
  return restore;
}

Result<RollbackReceipt> Engine::rollback(const std::string& target, const std::string& snapshot,
                                         const RollbackOptions& options,
                                         const Monitor& monitor) try {
  BLKREWIND_ASSIGN(const Impl::Restore restore, impl().resolve(target, snapshot));
  if (!restore.found.disk && !target.empty()) {
    const std::string other = impl().operations_->seen_last_at(target);
    if (!other.empty()) {
      return fail(refused(ResetRule::kDiskNotFound,
                          Remedy().because(target + " is not registered; " + other)));
    }
  }
  return impl().restore_to(restore, options, monitor);
} catch (...) {
  return fail(caught());
}

Result<CloneReceipt> Engine::clone(const std::string& snapshot, const std::string& target,
                                   const CloneOptions& options, const Monitor& monitor) try {
  if (target.empty()) {
    return fail(Errc::kInvalidArgument, "no target was given",
                "name a block device or a file that is to become the clone");
  }
  BLKREWIND_TRY(Impl::check_new_snapshot({}, target, options.name, {}));
  BLKREWIND_ASSIGN(const Impl::Readable found, impl().need_readable(snapshot, {}));
  const auto write = [&](const DiskView& clone, format::SnapshotNumber first) {
    Impl::Restore to;
    to.request.target = target;
    if (const auto* record = control::snapshot_of(clone, first)) to.found.snapshot = *record;
    to.request.snapshot_text = to.found.snapshot->id;
    to.found.path = target;
    to.found.disk = clone;
    return impl().restore_to(to, {.undo = options.undo, .verify_after = options.verify_after},
                             monitor);
  };
  return impl().operations_->clone(
      {.snapshot = found.key, .path = target, .name = options.name, .raw = options.raw}, write,
      monitor);
} catch (...) {
  return fail(caught());
}

Result<RollbackReceipt> Engine::undo(const std::string& target, const Monitor& monitor,
                                     VerifyAfter verify_after) try {
  BLKREWIND_ASSIGN(Impl::Found found, impl().need(target, Errc::kPrecondition));
  if (found.view.intent) return impl().continue_pending(found, target, true, monitor, verify_after);

  const format::LastRollback& last = found.view.disk.last_rollback;
  // The rollback to undo is unknown until the running one has ended.
  if (found.view.locked && last.undo == 0) return fail(control::conflict(found.path));
  if (last.request_id.empty()) {
    return fail(refused_plainly("there is nothing to undo: " + found.path +
                                    " has never been rolled back, or nothing had to be changed",
                                look_into_list("see its snapshots", target)));
  }
  if (last.undo == 0) {
    return fail(refused_plainly("the last rollback of " + found.path + " kept no undo snapshot",
                                look_into_list("roll back to another snapshot that it has", target)
                                    .because("what it overwrote was not kept")));
  }
  const format::SnapshotRecord* snapshot = control::snapshot_of(found.view, last.undo);
  if (snapshot == nullptr) {
    return fail(refused(ResetRule::kSnapshotNotFound,
                        look_into_list("roll back to another one that it has", target)
                            .because("the undo snapshot of the last rollback was deleted")));
  }
  Impl::Restore restore;
  restore.takes_back = last.request_id;
  restore.request.target = target;
  restore.request.snapshot_text = snapshot->id;
  restore.found.snapshot = *snapshot;
  restore.found.path = std::move(found.path);
  restore.found.disk = std::move(found.view);
  return impl().restore_to(restore, {.verify_after = verify_after}, monitor);
} catch (...) {
  return fail(caught());
}

Result<RollbackReceipt> Engine::resume(const std::string& target, const Monitor& monitor,
                                       VerifyAfter verify_after) try {
  BLKREWIND_ASSIGN(Impl::Found found, impl().need(target, Errc::kPrecondition));
  if (!found.view.intent && found.view.locked) return fail(control::conflict(found.path));
  if (!found.view.intent) {
    return fail(refused_plainly(
        "there is nothing to resume: no rollback of " + found.path + " was interrupted",
        look_into_list("see its state", target)));
  }
  return impl().continue_pending(found, target, false, monitor, verify_after);
} catch (...) {
  return fail(caught());
}

Result<RollbackReceipt> Engine::Impl::continue_pending(const Found& found,
                                                       const std::string& target, bool backwards,
                                                       const Monitor& monitor,
                                                       VerifyAfter verify_after) {
  const format::IntentRecord& intent = *found.view.intent;
  if (found.view.locked) {
    return fail(control::conflict(found.path));
  }
  if (backwards && intent.undo == 0) {
    return fail(
        refused_plainly("the interrupted rollback of " + found.path + " kept no undo snapshot",
                        ways_out(target, false)));
  }
  const format::SnapshotRecord* snapshot =
      control::snapshot_of(found.view, backwards ? intent.undo : intent.target);
  Restore restore;
  restore.request.target = target;
  restore.request.snapshot_text = snapshot == nullptr ? "the rollback's" : snapshot->id;
  restore.request.continues_pending = true;
  if (snapshot != nullptr) restore.found.snapshot = *snapshot;
  restore.found.path = found.path;
  restore.found.disk = found.view;
  BLKREWIND_TRY(allow(restore));
  return unless_busy(operations_->resume(found.view.disk.number, found.path, backwards, monitor,
                                         nullptr, verify_after),
                     found.path);
}

}  // namespace blkrewind
