// The workloads that are interrupted and disturbed at every operation, and the checks afterwards.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "support/operations_bench.h"

namespace blkrewind::test {

// A machine just before the workload, with everything flushed, and its expected state.
struct Scene {
  std::unique_ptr<sim::SimulatedEnv> env;
  DiskNumber disk = 0;
  Bytes before;  // the device when the workload (or the rollback that it resumes) started
  Bytes target;  // the target of a rollback; `before` if nothing is to be written
  SnapshotNumber target_number = 0;           // of a rollback; 0: none
  std::map<SnapshotNumber, Bytes> snapshots;  // acknowledged, and must be kept
  std::map<SnapshotNumber, Digest> digests;   // of their roots, by learn_digests()
  SnapshotNumber going = 0;                   // the one that the workload deletes; 0: none
  Bytes going_bytes;
  bool takes_snapshot = false;  // success means one more snapshot, equal to `before`
  bool ends_at_before = false;  // success means that the device is as before (resume backwards)
};

struct Workload {
  std::string name;
  std::function<Scene(sim::HomeType)> prepare;
  std::function<Status(OperationsBench&, const Scene&)> run;
  unsigned processes = 1;
};

// Printed by a failing test.
inline void PrintTo(const Workload& workload, std::ostream* out) { *out << workload.name; }

[[nodiscard]] std::vector<Workload> workloads();

// The state of a machine after check(): for a second check after another power cut.
struct Known {
  Bytes device;
  std::map<SnapshotNumber, Bytes> snapshots;
};

// The store opens; the device is as before, or at the target, or between them with an intent that
// leads to either; every acknowledged snapshot is intact. An intent is followed `backwards` if
// there is an undo snapshot, otherwise forwards. `acknowledged`: the workload reported success.
// Snapshots are exported and compared; with `by_digest`, those with a known digest are only
// verified.
void check(OperationsBench& bench, const Scene& scene, bool acknowledged, bool backwards,
           Known& known, bool by_digest = false);

// Fills scene.digests from the store before the workload.
void learn_digests(Scene& scene);
// Whether the store is used further after a state was checked, or only searched for leaked space.
enum class Afterwards : std::uint8_t { kUseStore, kReclaim };

// check() of one state that a power cut left; a pending rollback is followed in both directions,
// and what is finished forwards is then undone. Then check_usable(), or check_no_leak().
void check_state(std::unique_ptr<sim::SimulatedEnv> after, const Scene& scene, bool acknowledged,
                 Afterwards afterwards = Afterwards::kUseStore);
// Unneeded data takes no space: besides its header, a segment has only live blocks.
void check_no_leak(OperationsBench& bench);
// The store still works: it takes another snapshot, and everything can be deleted.
void check_usable(OperationsBench& bench);

}  // namespace blkrewind::test
