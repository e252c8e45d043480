// Faults in every operation of a workload, one at a time, and the checks afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "support/crash_scenes.h"

namespace blkrewind::test {

struct Trouble {
  const char* name;
  sim::Fault fault;  // `nth` is filled in
  // The system reports success. An acknowledged snapshot cannot be kept intact then; but wrong
  // bytes must never be accepted.
  bool silent = false;
};

[[nodiscard]] const std::vector<Trouble>& troubles();

enum class Meeting { kNotReached, kSurvived, kFailed };

// Runs the workload with a fault in the `nth` operation, counted from 1; ends the process, checks
// the machine as it is and after power cuts, and whether the store is still usable. Failures are
// reported by the test. kNotReached: there are fewer operations.
[[nodiscard]] Meeting meet_trouble(const Workload& workload, const Scene& scene,
                                   const Trouble& trouble, std::uint64_t nth);

}  // namespace blkrewind::test
