// The required order of operations, checked on the log of a run:
//
//   1. no byte of the device is written before an intent that names the target is durable, and with
//      undo the whole undo snapshot
//   2. a journal record, once written, names nothing that is not durable: if only the record
//      survives a power cut, every snapshot that it makes visible is intact
//   3. the intent is removed only when the device has nothing left to be flushed
//   4. a flush that failed is not repeated by the same process
//
// A violation is one line that names the operation.
#pragma once

#include <string>
#include <vector>

#include "support/crash_scenes.h"

namespace blkrewind::test {

// One undisturbed run of a workload.
struct Recording {
  std::vector<sim::State> moments;  // before each mutating operation, and at the end
  std::vector<sim::LoggedOp> log;   // since the first moment
  bool succeeded = false;
  sim::HomeType home = sim::HomeType::kLocal;
};

// With another `run` operations complete in another order.
// `troubled`: a remote home meets trouble, other than in run 0, and the workload may fail.
[[nodiscard]] Recording record(const Workload& workload, const Scene& scene, std::uint64_t run,
                               bool troubled = false);
// From now on, and as the seed says: requests that time out and happen nevertheless, later or
// never; readers that are behind; another process that takes the disk over, which the former owner
// does not know. No effect on other homes.
void trouble(OperationsBench& bench, std::uint64_t seed);

struct OrderFindings {
  std::vector<std::string> breaches;
  std::uint64_t looked_at = 0;  // writes to the device and to the journal
};
// Rules 1 to 3.
[[nodiscard]] OrderFindings check_order(const Recording& recording, const Scene& scene);
// Rule 4.
// An append to a pool's log counts as a flush, but may be repeated: nothing was written.
[[nodiscard]] std::vector<std::string> retried_flushes(const std::vector<sim::LoggedOp>& log,
                                                       sim::HomeType home);

}  // namespace blkrewind::test
