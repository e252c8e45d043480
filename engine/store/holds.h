// What keeps the snapshot that a clone was made from.
//
// A clone's trees refer to chunks and nodes of another disk (format::OriginRecord). For its whole
// life that disk's log has a hold, and neither the snapshot nor the disk is removed:
//
//   1. index: the number of the clone is taken
//   2. log of the disk, under its lease: the hold
//   3. log of the clone: its record, its origin, its first snapshot
//   4. index: the clone                                          <- it exists
//   ...
//   5. index: the clone is removed                               <- it is gone
//   6. log of the disk, under its lease: the hold is removed
//
// After a power cut between 2 and 4, or between 5 and 6, a hold is left for a disk that the index
// does not name: the disk's next owner drops it (settle_holds()).
#pragma once

#include "blkrewind/error.h"
#include "format/records.h"
#include "store/history.h"
#include "store/state.h"
#include "store/store.h"

namespace blkrewind::store {

// Drops the holds of clones that do not exist. Under the disk's lease. A process that has lost that
// lease while it made such a clone cannot complete it any more: a record of the index comes first,
// so that its own one is built again, which finds that it does not own the disk.
[[nodiscard]] Status settle_holds(Store& store, History& history);

// Whether a hold is one of a clone that exists, as far as this index tells.
[[nodiscard]] bool counts(const State& index, const format::HoldRecord& hold);

// kPrecondition, naming the clone and how to be rid of it: a clone needs the snapshot, or one of
// the disk's. `log`: of the disk, whose holds are settled.
[[nodiscard]] Status check_not_held(const State& index, const State& log,
                                    const format::SnapshotRecord& snapshot);
[[nodiscard]] Status check_not_held(const State& index, const State& log,
                                    const format::DiskRecord& disk);
// By the index alone: a clone shares with the disk, or with a clone of it.
[[nodiscard]] Status check_not_shared(const State& index, const format::DiskRecord& disk);

}  // namespace blkrewind::store
