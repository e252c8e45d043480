// A pool of workers: tasks go in in order, results come out in the same order.
//
// With one worker everything happens in the calling thread, request by request, deterministically,
// as simulated tests need it. With more, each worker has a thread of its own, on which it is
// created (a ring belongs to the thread that created it) and destroyed.
//
// If the process may have no more threads, or no more rings and buffers, fewer workers do the work;
// without any thread, the calling one does.
//
// A Worker has the types Task and Result and wants_task(), add(), idle(), step(), drain() and
// take_results() as in pipeline/scan_worker.h. It returns one Result for each Task, in any order,
// and copies the Task's `sequence` into it.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::pipeline {

template <class Worker>
class WorkerPool {
 public:
  using Task = typename Worker::Task;
  using Done = typename Worker::Result;
  using MakeWorker = std::function<Result<std::unique_ptr<Worker>>()>;

  // `outstanding_max`: maximum number of tasks in flight, of all workers together.
  WorkerPool(unsigned workers, std::size_t outstanding_max, MakeWorker make)
      : make_(std::move(make)), outstanding_max_(outstanding_max), workers_(workers) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Whether push() would accept a task without waiting for results to be popped.
  [[nodiscard]] bool has_room() const { return pushed_ - popped_ < outstanding_max_; }
  [[nodiscard]] bool empty() const { return pushed_ == popped_; }

  [[nodiscard]] Status push(Task task) {
    task.sequence = pushed_++;
    if (workers_ > 1 && threads_.empty()) start();
    if (workers_ == 1) return push_inline(std::move(task));
    const std::lock_guard lock(mutex_);
    if (error_) return fail(*error_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
    return {};
  }

  // The result of the oldest task that has not been popped; waits for it. Not while empty().
  [[nodiscard]] Result<Done> pop() {
    if (workers_ == 1) return pop_inline();
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return error_ || results_.contains(popped_); });
    if (error_) return fail(*error_);
    return take(results_.find(popped_));
  }

 private:
  using Results = std::map<std::uint64_t, Done>;

  Done take(typename Results::iterator found) {
    Done done = std::move(found->second);
    results_.erase(found);
    ++popped_;
    return done;
  }

  void keep_results(Worker& worker) {
    for (Done& done : worker.take_results()) {
      const std::uint64_t sequence = done.sequence;
      results_.emplace(sequence, std::move(done));
    }
  }

  Status push_inline(Task task) {
    if (error_) return fail(*error_);
    if (inline_worker_ == nullptr) {
      BLKREWIND_ASSIGN(inline_worker_, make_());
    }
    while (!inline_worker_->wants_task()) BLKREWIND_TRY(step_inline());
    inline_worker_->add(std::move(task));
    keep_results(*inline_worker_);
    return {};
  }

  Status step_inline() {
    Status status = inline_worker_->step();
    if (!status) error_ = status.error();
    keep_results(*inline_worker_);
    return status;
  }

  Result<Done> pop_inline() {
    while (!results_.contains(popped_)) BLKREWIND_TRY(step_inline());
    return take(results_.find(popped_));
  }

  void start() {
    threads_.reserve(workers_);
    {
      const std::lock_guard lock(mutex_);
      working_ = workers_;
    }
    for (unsigned i = 0; i < workers_; ++i) {
      try {
        threads_.emplace_back([this] { run(); });
      } catch (const std::system_error&) {
        // EAGAIN: a limit of the process (RLIMIT_NPROC, pids.max) or of its memory.
        const std::lock_guard lock(mutex_);
        working_ -= workers_ - i;
        break;
      }
    }
    if (threads_.empty()) workers_ = 1;
  }

  // An exception must not leave a thread.
  void run() {
    try {
      work();
    } catch (const std::bad_alloc&) {
      report(system_error(ENOMEM, "out of memory"));
    }
  }

  void work() {
    auto made = make_();
    if (!made) {
      const std::lock_guard lock(mutex_);
      // The other workers do its work; waiting threads are woken in case this was the last worker.
      if (--working_ == 0 && !error_) error_ = made.error();
      finished_.notify_one();
      return;
    }
    Worker& worker = **made;
    while (true) {
      bool added = false;
      {
        std::unique_lock lock(mutex_);
        if (worker.idle()) {
          changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
        }
        if (stopping_) break;
        if (!tasks_.empty() && worker.wants_task()) {
          worker.add(std::move(tasks_.front()));
          tasks_.pop_front();
          added = true;
        }
      }
      // Gives the worker all the tasks it takes before waiting for it.
      if (added && worker.wants_task() && !worker.idle() && has_tasks()) continue;
      if (!worker.idle()) {
        if (auto status = worker.step(); !status) {
          report(status.error());
          break;
        }
      }
      const std::lock_guard lock(mutex_);
      keep_results(worker);
      finished_.notify_one();
    }
    worker.drain();
  }

  bool has_tasks() {
    const std::lock_guard lock(mutex_);
    return !tasks_.empty();
  }

  void report(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    finished_.notify_one();
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    if (inline_worker_ != nullptr) inline_worker_->drain();
  }

  const MakeWorker make_;
  const std::size_t outstanding_max_;
  unsigned workers_;  // 1: in the calling thread
  std::unique_ptr<Worker> inline_worker_;
  std::vector<std::thread> threads_;
  std::uint64_t pushed_ = 0;  // used by the coordinating thread only
  std::uint64_t popped_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;   // a task was added, or the pool stops
  std::condition_variable finished_;  // a result was added, or an error
  std::deque<Task> tasks_;
  Results results_;
  std::optional<Error> error_;
  bool stopping_ = false;
  unsigned working_ = 0;  // workers that have been created, or will be
};

}  // namespace blkrewind::pipeline
