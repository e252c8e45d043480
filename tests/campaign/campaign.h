// The parts of a campaign. Each process does its share; together they reach the requested numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "campaign/case.h"
#include "campaign/tally.h"
#include "support/crash_scenes.h"

namespace blkrewind::campaign {

struct Share {
  Tally* tally = nullptr;
  std::uint64_t seed = 1;
  unsigned process = 0;
  unsigned processes = 1;
  std::string command;  // that repeats a case, without the case
  sim::HomeType home = sim::HomeType::kLocal;
};

// The fixed workloads, then this many random ones from the seed.
[[nodiscard]] std::vector<test::Workload> all_workloads(std::uint64_t seed, std::uint64_t random);
// The same by name; empty: there is none.
[[nodiscard]] std::vector<test::Workload> workload_named(const std::string& name);

// Tests distinct crash states of that workload until there are `target` of them, or no new ones are
// found.
void explore(const Share& share, const test::Workload& workload, std::size_t index,
             std::uint64_t target);
void replay(const StateCase& name, sim::HomeType home);

// Every fault at every operation of the workload.
void break_everything(const Share& share, const test::Workload& workload);
void replay(const FaultCase& name, sim::HomeType home);

// The order rules, over several completion orders.
void watch_order(const Share& share, const test::Workload& workload);

}  // namespace blkrewind::campaign
