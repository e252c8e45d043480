// One case: writers, a moving base snapshot, and a check. Each ends at `until`, or when `stop` is
// set, and throws Broken.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "tracking/judge.h"

namespace blkrewind::tracking {

struct Case {
  std::string folder;  // of this case only
  std::uint64_t seed = 0;
  Where where = Where::kWholeDisk;
  bool direct_io = false;
  std::chrono::steady_clock::time_point until;
  const std::atomic<bool>* stop = nullptr;

  [[nodiscard]] bool goes_on() const { return !*stop && std::chrono::steady_clock::now() < until; }
};

// Operations in separate processes, through the interface of the tracker; many are killed.
void run_tracker_rounds(const Case& chosen, Tally& tally);
// Operations of the engine.
void run_engine_rounds(const Case& chosen, Tally& tally);

// For the cleanup when this process is killed: a disk whose tracking must be stopped.
void note_pins(const Case& chosen, const std::string& disk);

// The longest time that writers wait between two writes, until the next barrier: from a flood, in
// which nearly everything is dirty, to a few writes in a whole operation, which are easily lost.
[[nodiscard]] std::uint32_t idle_of(std::uint64_t chance);

}  // namespace blkrewind::tracking
