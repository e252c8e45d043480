// The work that goes on after its request was answered: a bounded pool of workers.
//
// A place is reserved before anything is accepted, so what was accepted always finds its worker.
// Any thread. Ends by stop(): what runs is waited for, then asked to stop at its next safe place;
// what has not begun stays accepted in the catalog, for the next start.
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

// Of one operation, from 0 to 100; written by its worker, read by whoever describes it.
using Percent = std::shared_ptr<std::atomic<int>>;

class Jobs {
 public:
  // `waiting_max`: jobs that may wait for a worker. `metrics` outlives this.
  Jobs(Metrics& metrics, unsigned workers, std::size_t waiting_max);
  // Waits for what runs.
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // The right to add one job. Given back when it is destroyed unused.
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
  // nullopt: all places are taken, or it is stopping.
  [[nodiscard]] std::optional<Place> reserve();

  void add(Place place, RollbackTask task);
  void add(Place place, SnapshotTask task, const std::string& request_id);

  // How far a snapshot is that is being taken by a job of ours.
  [[nodiscard]] std::optional<int> percent_of_snapshot(const std::string& snapshot_id) const;

  // Lets what runs go on for `grace`, or until `hurry` is set, then asks it to stop, and waits.
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
