// The users of a device that no freeze reaches.
#pragma once

#include <vector>

#include "host/mounts.h"
#include "host/stack_graph.h"

namespace blkrewind::host {

struct RawSearch {
  const StackMap& map;
  const StackTarget& target;
  const StackPlan& plan;
  const std::vector<Swap>& swaps;
};

// Swap on the plan's nodes and files, exclusive holders of a node that no mount, swap or device
// over it explains, and processes that have one of them open for writing (the first that is found).
// Opens nodes exclusively for a moment, but none that is mounted. Any thread.
[[nodiscard]] std::vector<UsedBy> raw_users(const RawSearch& search, std::vector<Unknown>& unknown);

}  // namespace blkrewind::host
