// Workloads out of a seed: a device of up to 300 chunks with a history of snapshots, rollbacks,
// undos and deletes, and one more operation to be cut off.
#pragma once

#include <cstdint>

#include "support/crash_scenes.h"

namespace blkrewind::campaign {

[[nodiscard]] test::Workload random_workload(std::uint64_t seed);

// Two disks in one store: a rollback of one, in the middle of which a snapshot of the other is
// taken.
[[nodiscard]] test::Workload two_disks();

}  // namespace blkrewind::campaign
