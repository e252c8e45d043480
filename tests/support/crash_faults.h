// Every operation of a workload going wrong, each in its turn, and what must hold afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "support/crash_scenes.h"

namespace blkrewind::test {

struct Trouble {
  const char* name;
  sim::Fault fault;  // `nth` is filled in
  // The system says that it went well. Nobody can keep an acknowledged snapshot whole then; but no
  // wrong byte may be taken for a right one.
  bool silent = false;
};

[[nodiscard]] const std::vector<Trouble>& troubles();

enum class Meeting { kNotReached, kSurvived, kFailed };

// Runs the workload with the `nth` operation in trouble, counted from 1; ends the process, looks at
// the machine as it is and after power cuts; and whether the store can still be used. Failures are
// the test's. kNotReached: there are fewer operations than that.
[[nodiscard]] Meeting meet_trouble(const Workload& workload, const Scene& scene,
                                   const Trouble& trouble, std::uint64_t nth);

}  // namespace blkrewind::test
