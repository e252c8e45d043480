// What tasks of this Engine are at work on: disks, by their ids, and snapshots being taken.
//
// A task writes down how it ended and then lets its disk go. Between the two, whoever was told that
// it has ended would find the disk still held. So what is described looks here last: while a task
// is at work, its end does not show yet; once it is not, its lock is gone. Any thread.
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
      // One of them: the next task of a disk may have begun.
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
