// Work that continues after its request was answered: a bounded pool of workers.
//
// A place is reserved before anything is accepted, so an accepted task always gets a worker. Any
// thread. stop() ends it: running jobs may finish, and are then cancelled at their next safe point;
// jobs that have not started stay accepted in the catalog, for the next start.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "blkrewind/engine.h"
#include "cli/serve/metrics.h"

namespace blkrewind::serve {

// Of one operation, from 0 to 100; written by its worker, read by any thread.
using Percent = std::shared_ptr<std::atomic<int>>;

class Jobs {
 public:
  // `waiting_max`: jobs that may wait for a worker. `metrics` outlives this.
  Jobs(Metrics& metrics, unsigned workers, std::size_t waiting_max);
  // Waits for running jobs.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // The right to add one job. Released if it is destroyed unused.
  class Place {
   public:
    explicit Place(Jobs& jobs) : jobs_(&jobs) {}
    Place(Place&& other) noexcept : jobs_(std::exchange(other.jobs_, nullptr)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (jobs_ != nullptr) jobs_->give_back();
    }

   private:
    friend class Jobs;
    Jobs* jobs_;
  };
  // nullopt: all places are taken, or the pool is stopping.
  [[nodiscard]] std::optional<Place> reserve();

  void add(Place place, RollbackTask task);
  void add(Place place, SnapshotTask task, const std::string& request_id);

  // The progress of a snapshot that is being taken by one of these jobs.
  [[nodiscard]] std::optional<int> percent_of_snapshot(const std::string& snapshot_id) const;

  // Lets running jobs continue for `grace`, or until `hurry` is set, then cancels them, and waits.
  void stop(std::chrono::milliseconds grace, const std::function<bool()>& hurry);

 private:
  using Work = std::function<void(const Monitor&)>;

  void give_back();
  void add_work(Place place, Work work);
  void serve();
  void run_rollback(RollbackTask& task, const Monitor& monitor);
  void run_snapshot(SnapshotTask& task, const std::string& request_id, const Percent& percent,
                    const Monitor& monitor);

  Metrics& metrics_;
  const std::size_t places_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> waiting_;
  std::map<std::string, Percent> snapshots_;
  std::size_t places_ = 0;  // reserved, waiting or running
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::atomic<bool> cancel_{false};
  std::vector<std::thread> workers_;
};

}  // namespace blkrewind::serve
