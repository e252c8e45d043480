// What the guard does, in its own process. See guard.h.
#pragma once

#include <cstddef>
#include <vector>

#include "freeze/shared_state.h"

namespace blkrewind::freeze {

struct MemoryRange {
  const void* start = nullptr;
  std::size_t length_bytes = 0;
};

// Made before the fork. The guard reads it until it stands, and not afterwards.
struct GuardPlan {
  SharedState* state = nullptr;
  std::size_t state_bytes = 0;
  int socket = -1;                // to the operation; its end is the end of the operation
  int operation = -1;             // pidfd of the operation
  std::vector<int> keep;          // sorted
  std::vector<MemoryRange> code;  // locked by the guard
};

// The segments of the program or library that the guard runs, and of the C library. Not all that
// is mapped: that may be much, and locking a forked process's memory copies what can be written.
[[nodiscard]] std::vector<MemoryRange> code_of_guard();

// All signals are blocked. Does not return.
[[noreturn]] void run_guard(const GuardPlan& plan) noexcept;

}  // namespace blkrewind::freeze
