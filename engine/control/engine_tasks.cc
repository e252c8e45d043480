// Rollbacks in two steps, for servers: accepted with every rule checked and the disk locked, run
// later.
//
// An accepted rollback is a row of the catalog, written before the caller may answer:
//   accepted -> the task runs -> the journal says done -> done or failed in the catalog
//            -> the lock is released
// If the process ends in between, the row stays "accepted" and no process holds the disk. take_up()
// determines from the journal how far it got: an intent with its request id is resumed, a finished
// rollback of that request is done, otherwise it has not started. In that case it is started only
// within kBeginWithinSeconds, by both clocks of one boot (base/clock.h): later, or if the clocks do
// not agree, the device may have been used since, and the client may have given up.
#include <functional>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"

namespace blkrewind {

using control::ResetRow;

struct RollbackTask::Impl {
  std::string request_id;
  std::string disk_id;
  std::string snapshot_id;
  // Holds the disk's lock; empty after it has run.
  std::function<Result<RollbackReceipt>(const Monitor&)> work;
};

RollbackTask::RollbackTask(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RollbackTask::RollbackTask(RollbackTask&&) noexcept = default;
RollbackTask& RollbackTask::operator=(RollbackTask&&) noexcept = default;
RollbackTask::~RollbackTask() = default;

const std::string& RollbackTask::request_id() const { return impl_->request_id; }
const std::string& RollbackTask::disk_id() const { return impl_->disk_id; }
const std::string& RollbackTask::snapshot_id() const { return impl_->snapshot_id; }

Result<RollbackReceipt> RollbackTask::run(const Monitor& monitor) try {
  if (!impl_ || !impl_->work) {
    return fail(Errc::kInvalidArgument, "this task was moved from, or has already run");
  }
  const auto work = std::exchange(impl_->work, nullptr);
  return work(monitor);
} catch (...) {
  return fail(caught());
}

namespace {

constexpr std::int64_t kBeginWithinSeconds = 3600;

control::ResetEnd end_of(const Error& error, std::int64_t at) {
  return {at, std::string(error.api ? to_string(*error.api) : to_string(error.code)),
          error.to_string() + (error.remedy.empty() ? "" : "; " + error.remedy.to_string())};
}

Error begun_too_late() {
  Error error;
  error.code = Errc::kBusy;
  error.api = ApiCode::kUnavailable;
  error.message = "it was not started within an hour of its acceptance";
  error.remedy =
      Remedy("send the request again").because("more workers of the server shorten the wait");
  return error;
}

control::ResetEnd not_begun(std::int64_t at, const std::string& why) {
  return {at, std::string(to_string(ApiCode::kUnavailable)), why};
}

// nullopt: a process that did not accept it may start it now.
std::optional<std::string> why_not_begun(const Moment& accepted, const Moment& now) {
  const auto seconds = known_seconds(accepted, now);
  if (seconds && *seconds <= kBeginWithinSeconds) return std::nullopt;
  if (seconds) return "it was not started within an hour of its acceptance";
  return std::string("it was not started: ") +
         (is_same_boot(accepted, now) ? "the clock was set" : "the machine was rebooted") +
         " since its acceptance, so it is unknown whether that was within an hour";
}

// A rollback of that request has finished; or, if this request resumed an interrupted one, that one
// has finished, to the same snapshot and after this was accepted: the disk's last rollback was
// another one then.
bool has_been_done(const DiskView& view, const ResetRow& row) {
  const format::LastRollback& last = view.disk.last_rollback;
  if (last.request_id.empty()) return false;
  if (last.request_id == row.request_id) return true;
  const format::SnapshotRecord* target = control::snapshot_of(view, last.target);
  if (target == nullptr || target->id != row.snapshot_id) return false;
  // A row of an older version has only times: not in the same second, which may have been before
  // it.
  if (row.last_before == control::kNotRecorded) return last.finished_at > row.accepted_at;
  return last.request_id != row.last_before;
}

}  // namespace

// The same snapshot again, while the rollback to it is interrupted, means: resume it.
Result<Engine::Impl::Restore> Engine::Impl::resolve_task(const std::string& target,
                                                         const std::string& snapshot, bool ids_only,
                                                         bool held) {
  Restore restore;
  restore.request.target = target;
  restore.request.snapshot_text = snapshot;
  if (ids_only && !is_valid_id("d-", target)) return restore;
  BLKREWIND_ASSIGN(restore, resolve(target, snapshot));
  if (ids_only && !is_valid_id("s-", snapshot)) restore.found.snapshot.reset();
  if (!restore.found.disk || !restore.found.snapshot) return restore;
  DiskView& view = *restore.found.disk;
  if (held) view.locked = false;  // by this process
  restore.request.continues_pending =
      view.intent && !view.locked && view.intent->target == restore.found.snapshot->number;
  return restore;
}

Status Engine::Impl::allow_task(Restore& restore, bool dry_run) {
  BLKREWIND_TRY(allow(restore));
  BLKREWIND_TRY(operations_->check_device(restore.found.disk->disk, restore.found.path,
                                          /*for_writing=*/true));
  if (!dry_run) return {};
  restore.request.api_dry_run = true;
  return allow(restore);
}

Result<RollbackTask> Engine::accept_rollback(const std::string& target, const std::string& snapshot,
                                             const AcceptOptions& options) try {
  return impl().accept(target, snapshot, options, nullptr);
} catch (...) {
  return fail(caught());
}

Result<RollbackTask> Engine::Impl::accept(const std::string& target, const std::string& snapshot,
                                          const AcceptOptions& options, const ResetRow* taken_up) {
  // Once without the lock, for an answer that names the holder and the reason; once with it,
  // because the state may have changed in between.
  BLKREWIND_ASSIGN(Restore restore, resolve_task(target, snapshot, options.ids_only, false));
  BLKREWIND_TRY(allow_task(restore, options.dry_run));
  auto lock = operations_->hold_disk(restore.found.disk->disk.number);
  if (!lock && lock.error().code == Errc::kBusy) {
    return fail(control::conflict(restore.found.path));
  }
  if (!lock) return fail(std::move(lock).error());
  BLKREWIND_ASSIGN(restore, resolve_task(target, snapshot, options.ids_only, true));
  BLKREWIND_TRY(allow_task(restore, false));

  if (taken_up != nullptr) {
    // The operation that was seen without the lock may have ended since.
    BLKREWIND_ASSIGN(const auto known, catalog_->reset_of(restore.found.disk->disk.id));
    if (!known || known->request_id != options.request_id ||
        known->state != ResetState::kAccepted) {
      return fail(control::conflict(restore.found.path));
    }
  }
  const DiskView& view = *restore.found.disk;
  ResetRow row;
  if (taken_up != nullptr) {
    row = *taken_up;
  } else {
    const Moment accepted = moment();
    row.accepted_at = accepted.wall;
    row.accepted_boottime = accepted.boottime;
    row.accepted_boot_id = accepted.boot_id;
    row.last_before = view.disk.last_rollback.request_id;
  }
  row.disk_id = view.disk.id;
  row.request_id = options.request_id.empty() ? new_request_id() : options.request_id;
  row.snapshot_id = restore.found.snapshot->id;
  row.undo = options.undo;
  BLKREWIND_TRY(catalog_->accept_reset(row));
  return make_task(std::move(restore), row, std::move(*lock));
}

RollbackTask Engine::Impl::make_task(Restore restore, const ResetRow& row,
                                     std::shared_ptr<io::Lock> lock) {
  RollbackRequest request;
  request.disk = restore.found.disk->disk.number;
  request.target = restore.found.snapshot->number;
  request.path = restore.found.path;
  request.request_id = row.request_id;
  request.undo = row.undo;
  const bool resumes = restore.request.continues_pending;

  auto task = std::make_unique<RollbackTask::Impl>();
  task->request_id = row.request_id;
  task->disk_id = row.disk_id;
  task->snapshot_id = row.snapshot_id;
  task->work = [this, request, resumes, disk_id = row.disk_id, accepted = row.accepted_boottime,
                lock = std::move(lock)](const Monitor& monitor) mutable -> Result<RollbackReceipt> {
    const control::AtWork::Mark mark(at_work_, disk_id);
    const std::shared_ptr<io::Lock> held = std::move(lock);  // released before the mark is
    // The result is recorded in any case. The rollback may have waited for a worker: in the process
    // that holds the disk one clock is enough to measure for how long.
    Result<RollbackReceipt> done = fail(begun_too_late());
    try {
      if (resumes) {
        done = operations_->resume(request.disk, request.path, false, monitor, held);
      } else if (moment().boottime - accepted <= kBeginWithinSeconds) {
        done = operations_->rollback(request, monitor, held);
      }
    } catch (...) {
      done = fail(caught());
    }
    if (!done && done.error().code == Errc::kCancelled) return done;
    reset_ends_.note(*catalog_, disk_id, request.request_id,
                     done ? control::ResetEnd{now(), {}, {}} : end_of(done.error(), now()));
    return done;
  };
  return RollbackTask(std::move(task));
}

// nullopt: there is nothing to do, and the result is recorded.
Result<std::optional<RollbackTask>> Engine::Impl::take_up(const ResetRow& row) {
  BLKREWIND_ASSIGN(const auto found, find(row.disk_id));
  if (found && found->view.locked) return std::nullopt;  // another process holds it
  const bool interrupted = found && found->view.intent;
  if (found && !interrupted && has_been_done(found->view, row)) {
    BLKREWIND_TRY(catalog_->end_reset(row.disk_id, row.request_id, {now(), {}, {}}));
    return std::nullopt;
  }
  const Moment looked = moment();
  if (const auto why = why_not_begun(row.accepted(), looked); why && !interrupted) {
    BLKREWIND_TRY(catalog_->end_reset(row.disk_id, row.request_id, not_begun(looked.wall, *why)));
    return std::nullopt;
  }
  auto task = accept(row.disk_id, row.snapshot_id,
                     {.request_id = row.request_id, .undo = row.undo, .ids_only = true}, &row);
  if (task) return std::optional<RollbackTask>(std::move(*task));
  if (task.error().code == Errc::kBusy) return std::nullopt;
  BLKREWIND_TRY(catalog_->end_reset(row.disk_id, row.request_id, end_of(task.error(), now())));
  return std::nullopt;
}

Result<std::vector<RollbackTask>> Engine::unfinished_rollbacks() try {
  BLKREWIND_TRY(impl().reset_ends_.note_again(*impl().catalog_));
  BLKREWIND_ASSIGN(const auto rows, impl().catalog_->resets());
  std::vector<RollbackTask> tasks;
  for (const ResetRow& row : rows) {
    if (row.state != ResetState::kAccepted) continue;
    BLKREWIND_ASSIGN(auto task, impl().take_up(row));
    if (task) tasks.push_back(std::move(*task));
  }
  return tasks;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
