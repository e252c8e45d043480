// Counters shared by the processes of a campaign, and the set of states tested so far, in shared
// memory. Created before the processes are forked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace blkrewind::campaign {

inline constexpr std::size_t kWorkloadsMax = 8192;

struct Counts {
  std::atomic<std::uint64_t> states{0};             // distinct states that were tested
  std::atomic<std::uint64_t> recovery_states{0};    // of them inside a recovery
  std::atomic<std::uint64_t> met_again{0};          // repeated ones, not tested again
  std::atomic<std::uint64_t> pending{0};            // of the states: with a rollback in progress
  std::atomic<std::uint64_t> exhausted_moments{0};  // all combinations were tested
  std::atomic<std::uint64_t> fault_points{0};
  std::atomic<std::uint64_t> faults_survived{0};  // of them: the workload succeeded nevertheless
  std::atomic<std::uint64_t> ordered_writes{0};   // operations checked by the order rules
  std::array<std::atomic<std::uint64_t>, kWorkloadsMax> states_of{};  // per workload
};

class Tally {
 public:
  // Capacity for at least this many states.
  explicit Tally(std::uint64_t states);
  ~Tally();
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  // False: it is known already, or the capacity is exhausted.
  [[nodiscard]] bool is_new(std::uint64_t fingerprint);
  [[nodiscard]] Counts& counts() { return *counts_; }

 private:
  std::size_t bytes_ = 0;
  Counts* counts_ = nullptr;
  std::span<std::atomic<std::uint64_t>> slots_;
};

}  // namespace blkrewind::campaign
