// Rollbacks in two steps, for servers: accepted with every rule checked and the disk locked, run
// later.
//
// An accepted rollback is an entry of the log, written before the caller may answer
// (operations/accepted_reset.h). If the process ends before it has ended, it stays accepted, and no
// process holds the disk. take_up() resumes it if its intent is in the log; otherwise it has
// not started. In that case it is started only within kBeginWithinSeconds, by both clocks of one
// boot (base/clock.h): later, or if the clocks do not agree, the device may have been used since,
// and the client may have given up.
#include <functional>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"

namespace blkrewind {

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

Error begun_too_late() {
  Error error;
  error.code = Errc::kBusy;
  error.api = ApiCode::kUnavailable;
  error.message = "it was not started within an hour of its acceptance";
  error.remedy =
      Remedy("send the request again").because("more workers of the server shorten the wait");
  return error;
}

ResetEnd not_begun(std::int64_t at, const std::string& why) {
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
  restore.request.continues_pending = view.intent && !view.locked &&
                                      restore.found.snapshot->disk == view.disk.number &&
                                      view.intent->target == restore.found.snapshot->number;
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
                                          const AcceptOptions& options,
                                          const format::ResetRecord* taken_up) {
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

  const DiskView& view = *restore.found.disk;
  if (taken_up != nullptr) {
    // The operation that was seen without the lock may have ended since.
    if (view.reset != *taken_up) return fail(control::conflict(restore.found.path));
    return make_task(restore, *taken_up, std::move(*lock));
  }
  format::ResetRecord reset;
  reset.disk = view.disk.number;
  reset.request_id = options.request_id.empty() ? new_request_id() : options.request_id;
  reset.snapshot_id = restore.found.snapshot->id;
  reset.undo = options.undo;
  reset.accepted = moment();
  BLKREWIND_TRY(operations_->accept_reset(reset));
  return make_task(restore, reset, std::move(*lock));
}

RollbackTask Engine::Impl::make_task(const Restore& restore, const format::ResetRecord& reset,
                                     std::shared_ptr<store::Lease> lock) {
  RollbackRequest request;
  request.disk = reset.disk;
  request.target = restore.found.snapshot->number;
  request.path = restore.found.path;
  request.request_id = reset.request_id;
  request.undo = reset.undo;
  const bool resumes = restore.request.continues_pending;

  auto task = std::make_unique<RollbackTask::Impl>();
  task->request_id = reset.request_id;
  task->disk_id = restore.found.disk->disk.id;
  task->snapshot_id = reset.snapshot_id;
  task->work = [this, request, resumes, disk_id = task->disk_id, accepted = reset.accepted.boottime,
                lock = std::move(lock)](const Monitor& monitor) mutable -> Result<RollbackReceipt> {
    const control::AtWork::Mark mark(at_work_, disk_id);
    const std::shared_ptr<store::Lease> held = std::move(lock);  // released before the mark is
    // The rollback may have waited for a worker: in the process that holds the disk one clock is
    // enough to measure for how long.
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
    if (done || done.error().code == Errc::kCancelled) return done;
    const Status noted =
        operations_->end_reset(request.disk, request.request_id, end_of(done.error(), now()));
    if (!noted) {
      log::error("cannot record that the reset " + request.request_id +
                 " failed: " + noted.error().to_string());
    }
    return done;
  };
  return RollbackTask(std::move(task));
}

Result<std::optional<RollbackTask>> Engine::Impl::take_up(const DiskView& seen) {
  const format::ResetRecord& reset = *seen.reset;
  const Moment looked = moment();
  const auto why = seen.intent ? std::nullopt : why_not_begun(reset.accepted, looked);
  ResetEnd end;
  if (why) {
    end = not_begun(looked.wall, *why);
  } else {
    auto task =
        accept(seen.disk.id, reset.snapshot_id,
               {.request_id = reset.request_id, .undo = reset.undo, .ids_only = true}, &reset);
    if (task) return std::optional<RollbackTask>(std::move(*task));
    if (task.error().code == Errc::kBusy) return std::nullopt;
    end = end_of(task.error(), looked.wall);
  }
  const auto lock = operations_->hold_disk(reset.disk);
  if (!lock && lock.error().code == Errc::kBusy) return std::nullopt;
  if (!lock) return fail(lock.error());
  // Another process may have begun it before it was locked.
  BLKREWIND_ASSIGN(const auto now, operations_->disk(reset.disk));
  if (!now || now->intent != seen.intent) return std::nullopt;
  BLKREWIND_TRY(operations_->end_reset(reset.disk, reset.request_id, end));
  return std::nullopt;
}

Result<std::vector<RollbackTask>> Engine::unfinished_rollbacks() try {
  BLKREWIND_TRY(impl().operations_->refresh());
  std::vector<RollbackTask> tasks;
  std::optional<Error> read_only;
  const auto take_up = [&](const DiskView& view) -> Status {
    if (view.locked || !view.reset || view.reset->state != ResetState::kAccepted) return {};
    // What has failed in this process could not be recorded, and would be started again and again.
    if (impl().operations_->in_doubt(view.disk.number)) {
      read_only = Error();
      read_only->code = Errc::kIo;
      read_only->message = "the log of disk " + view.disk.id +
                           " is read-only for this process, because a write of it failed";
      read_only->remedy = "see that its medium has room and works, then try again in a new process";
      return {};
    }
    BLKREWIND_ASSIGN(auto task, impl().take_up(view));
    if (task) tasks.push_back(std::move(*task));
    return {};
  };
  BLKREWIND_TRY(impl().operations_->for_each_disk(take_up));
  if (read_only && tasks.empty()) return fail(std::move(*read_only));
  return tasks;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
