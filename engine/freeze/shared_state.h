// What the operation and its guard know in common: one locked mapping that both have, from before
// anything is frozen until both have ended. It holds all that the guard needs, so that the guard
// touches no other memory of the process that it was forked from.
//
// Either may be killed at any instruction, so each step is noted before it is taken, and the other
// one goes on from the last note.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "blkrewind/error.h"

namespace blkrewind::freeze {

// Of one file system.
enum class Phase : std::uint32_t {
  kUntouched,
  kFreezing,  // FIFREEZE is about to be made, under way, or answered and not noted
  kFrozen,
  kRefused,    // FIFREEZE failed with `error`: if it is frozen, then by another process
  kThawed,     // by the operation or the guard
  kNotFrozen,  // FITHAW answered EINVAL: another process has thawed it, or it was never frozen
  kStuck,      // FITHAW failed with `error`: it may still be frozen
};

// Who thaws. Once it is not kNobody, nothing more is frozen.
enum class Thawer : std::uint32_t { kNobody, kOperation, kGuard };

struct Slot {
  std::atomic<Phase> phase = Phase::kUntouched;
  std::atomic<int> error = 0;
  int root = -1;  // descriptor, the same in both processes
};

struct SharedState {
  std::atomic<Thawer> thawer = Thawer::kNobody;
  std::atomic<std::uint32_t> guard_finished = 0;  // the guard has thawed all that it could
  std::atomic<std::uint32_t> done = 0;            // nothing is left for the guard
  std::atomic<std::int64_t> deadline_ns = 0;      // of CLOCK_MONOTONIC; 0: nothing was frozen yet
  // The guard removes the state file when it has thawed everything.
  int folder = -1;
  std::array<char, 64> file_name = {};
  std::size_t count = 0;

  [[nodiscard]] std::span<Slot> slots();
  [[nodiscard]] std::span<const Slot> slots() const;
};

static_assert(std::atomic<Phase>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "shared between processes, and used after a fork");

// The mapping: zeroed, shared with children, locked. Not copyable; unmapped by the destructor, in
// this process alone.
class SharedMapping {
 public:
  [[nodiscard]] static Result<SharedMapping> make(std::size_t count);
  SharedMapping(SharedMapping&& other) noexcept;
  SharedMapping& operator=(SharedMapping&&) = delete;
  ~SharedMapping();

  [[nodiscard]] SharedState& state() const { return *state_; }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }

 private:
  SharedMapping(SharedState* state, std::size_t size_bytes)
      : state_(state), size_bytes_(size_bytes) {}
  SharedState* state_;
  std::size_t size_bytes_;
};

// The rest of the functions here are async-signal-safe.

[[nodiscard]] std::int64_t monotonic_ns() noexcept;

// Whether anything may still be frozen by the operation.
[[nodiscard]] bool anything_left(const SharedState& state) noexcept;

// FITHAW of all that the operation has frozen, in the reverse of the order in which it did.
// Strictly: thawing a file system may write to its device, which waits for the one that the device
// is a file of, if that is still frozen.
//
// One that is kFreezing: the kernel answers EINVAL until the freeze is complete. As long as
// `operation_lives`, it can still become complete, so this tries again; afterwards EINVAL means
// that it was not frozen.
void thaw_all(SharedState& state, bool (*operation_lives)(const void* context),
              const void* context) noexcept;

}  // namespace blkrewind::freeze
