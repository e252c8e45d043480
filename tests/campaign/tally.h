// What the processes of a campaign count together, and the states that were looked at already: in
// memory that they share. Made before they are forked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace blkrewind::campaign {

inline constexpr std::size_t kWorkloadsMax = 8192;

struct Counts {
  std::atomic<std::uint64_t> states{0};             // distinct ones that were checked
  std::atomic<std::uint64_t> recovery_states{0};    // of them inside a recovery
  std::atomic<std::uint64_t> met_again{0};          // were not checked again
  std::atomic<std::uint64_t> pending{0};            // of the states: with a rollback under way
  std::atomic<std::uint64_t> exhausted_moments{0};  // every combination was visited
  std::atomic<std::uint64_t> fault_points{0};
  std::atomic<std::uint64_t> faults_survived{0};  // of them: the workload succeeded all the same
  std::atomic<std::uint64_t> ordered_writes{0};   // operations that the order rules looked at
  std::array<std::atomic<std::uint64_t>, kWorkloadsMax> states_of{};  // a workload
};

class Tally {
 public:
  // Room for so many states and more.
  explicit Tally(std::uint64_t states);
  ~Tally();
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  // False: it is known already, or the room is used up.
  [[nodiscard]] bool is_new(std::uint64_t fingerprint);
  [[nodiscard]] Counts& counts() { return *counts_; }

 private:
  std::size_t bytes_ = 0;
  Counts* counts_ = nullptr;
  std::span<std::atomic<std::uint64_t>> slots_;
};

}  // namespace blkrewind::campaign
