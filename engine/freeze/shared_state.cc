#include "freeze/shared_state.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>
#include <ctime>
#include <new>
#include <utility>

namespace blkrewind::freeze {
namespace {

constexpr std::size_t kSlotsOffset =
    (sizeof(SharedState) + alignof(Slot) - 1) & ~(alignof(Slot) - 1);
constexpr long kRetryNs = 5'000'000;

// Whether the slot needs nothing more.
bool thaw_slot(Slot& slot, bool may_become_frozen) noexcept {
  Phase phase = slot.phase.load();
  if (phase != Phase::kFreezing && phase != Phase::kFrozen && phase != Phase::kStuck) return true;
  int answer = 0;
  do {
    answer = ::ioctl(slot.root, FITHAW, 0) == 0 ? 0 : errno;
  } while (answer == EINTR);
  if (answer == 0) {
    slot.phase = Phase::kThawed;
    return true;
  }
  if (answer == EINVAL) {
    if (phase == Phase::kFreezing && may_become_frozen) return false;
    // Unless the other thawer has just noted that it thawed this one.
    slot.phase.compare_exchange_strong(phase, Phase::kNotFrozen);
    return true;
  }
  slot.error = answer;
  slot.phase = Phase::kStuck;
  return true;
}

}  // namespace

std::span<Slot> SharedState::slots() {
  auto* first = reinterpret_cast<std::byte*>(this) + kSlotsOffset;
  return {std::launder(reinterpret_cast<Slot*>(first)), count};
}

std::span<const Slot> SharedState::slots() const {
  const auto* first = reinterpret_cast<const std::byte*>(this) + kSlotsOffset;
  return {std::launder(reinterpret_cast<const Slot*>(first)), count};
}

Result<SharedMapping> SharedMapping::make(std::size_t count) {
  const std::size_t size = kSlotsOffset + count * sizeof(Slot);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return fail(system_error(errno, "cannot map memory for a freeze"));
  // Without the right to lock memory nothing can be frozen either.
  static_cast<void>(::mlock(memory, size));
  auto* state = ::new (memory) SharedState;
  state->count = count;
  auto* slots = static_cast<std::byte*>(memory) + kSlotsOffset;
  for (std::size_t i = 0; i < count; ++i) ::new (slots + i * sizeof(Slot)) Slot;
  return SharedMapping(state, size);
}

SharedMapping::SharedMapping(SharedMapping&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)), size_bytes_(other.size_bytes_) {}

SharedMapping::~SharedMapping() {
  if (state_ != nullptr) ::munmap(state_, size_bytes_);
}

std::int64_t monotonic_ns() noexcept {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool anything_left(const SharedState& state) noexcept {
  for (const Slot& slot : state.slots()) {
    const Phase phase = slot.phase.load();
    if (phase == Phase::kFreezing || phase == Phase::kFrozen || phase == Phase::kStuck) return true;
  }
  return false;
}

void thaw_all(SharedState& state, bool (*operation_lives)(const void* context),
              const void* context) noexcept {
  const std::span<Slot> slots = state.slots();
  for (std::size_t i = slots.size(); i-- > 0;) {
    for (;;) {
      // Asked before FITHAW: the freeze of a process that has ended is complete or failed.
      const bool lives = operation_lives != nullptr && operation_lives(context);
      if (thaw_slot(slots[i], lives)) break;
      const timespec pause = {0, kRetryNs};
      ::nanosleep(&pause, nullptr);
    }
  }
}

}  // namespace blkrewind::freeze
