#include "cli/serve/jobs.h"

#include <algorithm>
#include <utility>

#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr std::chrono::milliseconds kHurryPoll{100};

std::string what_is(const RollbackTask& task) {
  return "request_id=" + task.request_id() + " disk=" + task.disk_id() +
         " snapshot=" + task.snapshot_id();
}

}  // namespace

Jobs::Jobs(Metrics& metrics, unsigned workers, std::size_t waiting_max)
    : metrics_(metrics), places_max_(workers + waiting_max) {
  for (unsigned i = 0; i < workers; ++i) workers_.emplace_back([this] { serve(); });
}

Jobs::~Jobs() {
  stop(std::chrono::hours(24 * 365), [] { return false; });
}

std::optional<Jobs::Place> Jobs::reserve() {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (stopping_ || places_ >= places_max_) return std::nullopt;
  ++places_;
  return std::optional<Place>(std::in_place, *this);
}

void Jobs::give_back() {
  const std::lock_guard<std::mutex> guard(mutex_);
  --places_;
}

void Jobs::add_work(Place place, Work work) {
  const std::lock_guard<std::mutex> guard(mutex_);
  place.jobs_ = nullptr;  // released when the job has run
  waiting_.push_back(std::move(work));
  changed_.notify_all();
}

void Jobs::add(Place place, RollbackTask task) {
  const auto kept = std::make_shared<RollbackTask>(std::move(task));
  add_work(std::move(place),
           [this, kept](const Monitor& monitor) { run_rollback(*kept, monitor); });
}

void Jobs::add(Place place, SnapshotTask task, const std::string& request_id) {
  const auto kept = std::make_shared<SnapshotTask>(std::move(task));
  auto percent = std::make_shared<std::atomic<int>>(0);
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    snapshots_[kept->snapshot_id()] = percent;
  }
  add_work(std::move(place), [this, kept, request_id, percent](const Monitor& monitor) {
    run_snapshot(*kept, request_id, percent, monitor);
    const std::lock_guard<std::mutex> guard(mutex_);
    snapshots_.erase(kept->snapshot_id());
  });
}

std::optional<int> Jobs::percent_of_snapshot(const std::string& snapshot_id) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = snapshots_.find(snapshot_id);
  if (found == snapshots_.end()) return std::nullopt;
  return found->second->load();
}

void Jobs::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    // Destroyed without the mutex: a task releases the lock of its disk.
    std::optional<Work> work(std::move(waiting_.front()));
    waiting_.pop_front();
    ++running_;
    lock.unlock();
    Monitor monitor;
    monitor.cancel = &cancel_;
    (*work)(monitor);
    work.reset();
    lock.lock();
    --running_;
    --places_;
    changed_.notify_all();
  }
}

void Jobs::run_rollback(RollbackTask& task, const Monitor& monitor) {
  metrics_.rollback_begins();
  log_line(LogLevel::kInfo, "rollback begins " + what_is(task));
  const auto done = task.run(monitor);
  if (done) {
    metrics_.rollback_is_done(*done);
    log_line(LogLevel::kInfo, "rollback done " + what_is(task) + " source=" + done->change_source +
                                  " scanned_bytes=" + std::to_string(done->scanned_bytes) +
                                  " restored_bytes=" + std::to_string(done->restored_bytes) +
                                  " zeroed_bytes=" + std::to_string(done->zeroed_bytes) +
                                  " undo=" + done->undo_snapshot_id.value_or("-"));
    return;
  }
  metrics_.rollback_failed();
  if (done.error().code == Errc::kCancelled) {
    log_line(LogLevel::kWarning,
             "rollback cancelled, to be resumed at the next start " + what_is(task));
    return;
  }
  log_line(LogLevel::kError,
           "rollback failed " + what_is(task) + ": " + done.error().to_string() +
               (done.error().remedy.empty() ? "" : "; " + done.error().remedy.to_string()));
}

void Jobs::run_snapshot(SnapshotTask& task, const std::string& request_id, const Percent& percent,
                        const Monitor& monitor) {
  metrics_.snapshot_begins();
  Monitor watching = monitor;
  watching.progress = [percent](const Progress& progress) {
    if (progress.total_bytes == 0) return;
    // 100 is for a finished one.
    const auto share = progress.done_bytes * 100 / progress.total_bytes;
    percent->store(static_cast<int>(std::min<std::uint64_t>(share, 99)));
  };
  const std::string what =
      "request_id=" + request_id + " disk=" + task.disk_id() + " snapshot=" + task.snapshot_id();
  const auto done = task.run(watching);
  metrics_.snapshot_ended(done.has_value());
  if (done) {
    log_line(LogLevel::kInfo, "snapshot done " + what +
                                  " scanned_bytes=" + std::to_string(done->scanned_bytes) +
                                  " stored_bytes=" + std::to_string(done->stored_bytes));
  } else {
    log_line(LogLevel::kError, "snapshot failed " + what + ": " + done.error().to_string());
  }
}

void Jobs::stop(std::chrono::milliseconds grace, const std::function<bool()>& hurry) {
  std::deque<Work> dropped;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
    changed_.notify_all();
    const auto deadline = std::chrono::steady_clock::now() + grace;
    while (running_ > 0 && std::chrono::steady_clock::now() < deadline && !hurry()) {
      changed_.wait_for(lock, kHurryPoll);
    }
  }
  cancel_ = true;
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

}  // namespace blkrewind::serve
