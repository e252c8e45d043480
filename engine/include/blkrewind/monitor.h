// Progress and cancellation of long operations.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace blkrewind {

// Progress of a long operation; reported about ten times per second, from the thread that called
// the operation.
struct Progress {
  const char* phase = "";  // "scan", "restore", "verify", "export", "reclaim"
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// Passed to every long operation. Both members may be empty. `cancel` is polled; once it is true
// the operation stops at the next safe point and fails with kCancelled: a cancelled snapshot leaves
// no trace, and a rollback that has started to write can be resumed or undone.
struct Monitor {
  std::function<void(const Progress&)> progress;
  const std::atomic<bool>* cancel = nullptr;
};

}  // namespace blkrewind
