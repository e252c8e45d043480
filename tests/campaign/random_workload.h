// Random workloads from a seed: a device of up to 300 chunks with a history of snapshots,
// rollbacks, undos and deletes, and one more operation to be interrupted.
#pragma once

#include <cstdint>

#include "support/crash_scenes.h"

namespace blkrewind::campaign {

[[nodiscard]] test::Workload random_workload(std::uint64_t seed);

// Two disks in one store: a snapshot of one is taken in the middle of a rollback of the other.
[[nodiscard]] test::Workload two_disks();

}  // namespace blkrewind::campaign
