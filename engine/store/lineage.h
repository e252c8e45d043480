// Removes a snapshot from the lineage graph and preserves which of the others may share extents.
#pragma once

#include "format/records.h"
#include "store/state.h"

namespace blkrewind::store {

// The entries that remove `number` from the state, or leave a tombstone if three or more snapshots
// are connected only through it. Tombstones that it was connected with are merged with it, so two
// are never adjacent, and none connects fewer than three. Visits every edge once, and changes only
// the records whose edges led to a removed record, however dense the graph is.
[[nodiscard]] format::Transaction remove_from_lineage(const State& state,
                                                      format::SnapshotNumber number);

}  // namespace blkrewind::store
