// Progress and cancellation by a C program, as the engine's Monitor.
#pragma once

#include <atomic>

#include "blkrewind/blkrewind.h"
#include "blkrewind/monitor.h"

struct blkrewind_cancel {
  // blkrewind_cancel_set() is called by signal handlers.
  static_assert(std::atomic<bool>::is_always_lock_free);
  std::atomic<bool> set{false};
};

namespace blkrewind::c_interface {

// Lives as long as its operation.
class Watch {
 public:
  explicit Watch(const blkrewind_monitor& given);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  [[nodiscard]] const Monitor& monitor() const { return monitor_; }

 private:
  void report(const Progress& progress);

  blkrewind_monitor given_;
  std::atomic<bool> own_cancel_{false};
  std::atomic<bool>* cancel_;  // the caller's, or that
  Monitor monitor_;
};

}  // namespace blkrewind::c_interface
