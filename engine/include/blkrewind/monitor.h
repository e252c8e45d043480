// How a long operation is watched and stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace blkrewind {

// How far a long operation is; sent about ten times a second from the thread that called it.
struct Progress {
  const char* phase = "";  // "scan", "restore", "verify", "export", "reclaim"
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// Given to every long operation. Both may be empty. `cancel` is polled; when it turns true the
// operation stops at the next safe place and fails with kCancelled: a snapshot leaves nothing, a
// rollback that has begun to write can be resumed or undone.
struct Monitor {
  std::function<void(const Progress&)> progress;
  const std::atomic<bool>* cancel = nullptr;
};

}  // namespace blkrewind
