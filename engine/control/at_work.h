// The disks (by id) and snapshots that tasks of this Engine are working on.
//
// A task records its result and then releases the lock of its disk. In between, a client that sees
// the result would find the disk still locked. Descriptions therefore consult this last: while a
// task is at work, its result is not shown yet; once it is not, its lock has been released. Any
// thread.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace blkrewind::control {

class AtWork {
 public:
  // Must outlive every lock that the task holds, and its AtWork every mark.
  class Mark {
   public:
    Mark(AtWork& at_work, std::string id) : at_work_(at_work), id_(std::move(id)) {
      const std::lock_guard<std::mutex> guard(at_work_.mutex_);
      at_work_.ids_.insert(id_);
    }
    ~Mark() {
      const std::lock_guard<std::mutex> guard(at_work_.mutex_);
      // Only one of them: the next task of a disk may have started.
      at_work_.ids_.erase(at_work_.ids_.find(id_));
    }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    AtWork& at_work_;
    const std::string id_;
  };

  [[nodiscard]] bool has(const std::string& id) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return ids_.contains(id);
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<std::string> ids_;
};

}  // namespace blkrewind::control
