// One case: writers at work, anchors that move, and a judge. Each ends at `until`, or when `stop`
// is set, and throws Broken.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "tracking/judge.h"

namespace blkrewind::tracking {

struct Case {
  std::string folder;  // of this case alone
  std::uint64_t seed = 0;
  bool on_partition = false;
  bool direct_io = false;
  std::chrono::steady_clock::time_point until;
  const std::atomic<bool>* stop = nullptr;

  [[nodiscard]] bool goes_on() const { return !*stop && std::chrono::steady_clock::now() < until; }
};

// Operations in processes of their own, through the interface of the tracker; many are killed.
void run_tracker_rounds(const Case& chosen, Tally& tally);
// Operations of the engine.
void run_engine_rounds(const Case& chosen, Tally& tally);

// For whoever clears up when this process is killed: a disk whose tracking has to be ended.
void note_pins(const Case& chosen, const std::string& disk);

// How long writers wait at most between two writes, until the next barrier: from a flood, in which
// nearly everything is marked, to a few writes in a whole operation, which are easily lost.
[[nodiscard]] std::uint32_t idle_of(std::uint64_t chance);

}  // namespace blkrewind::tracking
