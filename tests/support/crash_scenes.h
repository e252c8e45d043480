// The workloads that are cut off and broken at every operation, and what must hold afterwards.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "support/operations_bench.h"

namespace blkrewind::test {

// A machine just before the workload, with nothing left to be flushed, and what is true of it.
struct Scene {
  std::unique_ptr<sim::SimulatedEnv> env;
  DiskNumber disk = 0;
  Bytes before;  // the device when the workload (or the rollback that it goes on with) began
  Bytes target;  // where a rollback takes it; `before` when nothing is to be written
  SnapshotNumber target_number = 0;           // of a rollback; 0: none
  std::map<SnapshotNumber, Bytes> snapshots;  // acknowledged, and to stay
  std::map<SnapshotNumber, Digest> digests;   // of their roots, by learn_digests()
  SnapshotNumber going = 0;                   // the one that the workload deletes; 0: none
  Bytes going_bytes;
  bool takes_snapshot = false;  // success means one snapshot more, equal to `before`
  bool ends_at_before = false;  // success means that the device is as before (resume backwards)
};

struct Workload {
  std::string name;
  std::function<Scene()> prepare;
  std::function<Status(OperationsBench&, const Scene&)> run;
  unsigned processes = 1;
};

// What a failing test prints.
inline void PrintTo(const Workload& workload, std::ostream* out) { *out << workload.name; }

[[nodiscard]] std::vector<Workload> workloads();

// What is known of a machine after check(): for a second look after another power cut.
struct Known {
  Bytes device;
  std::map<SnapshotNumber, Bytes> snapshots;
};

// The store opens; the device is as before, or at the target, or between them with an intent that
// leads to either; every acknowledged snapshot is whole. An intent is followed `backwards` where
// there is an undo snapshot, else forwards. `acknowledged`: the workload said that it succeeded.
// Snapshots are exported and compared; `by_digest`, those with a known digest are only verified.
void check(OperationsBench& bench, const Scene& scene, bool acknowledged, bool backwards,
           Known& known, bool by_digest = false);

// Fills scene.digests from the store before the workload.
void learn_digests(Scene& scene);
// Whether the store is used further after a state was checked, or only looked through for lost
// room.
enum class Afterwards : std::uint8_t { kUseStore, kReclaim };

// check() of one state that a power cut left; a pending rollback is followed in both directions,
// and what is finished forwards is then undone. Then check_usable(), or check_no_leak().
void check_state(std::unique_ptr<sim::SimulatedEnv> after, const Scene& scene, bool acknowledged,
                 Afterwards afterwards = Afterwards::kUseStore);
// What is not needed takes no room: beside its header, a segment has no other blocks than live
// ones.
void check_no_leak(OperationsBench& bench);
// The store still works: it takes one more snapshot, and everything can be deleted.
void check_usable(OperationsBench& bench);

}  // namespace blkrewind::test
