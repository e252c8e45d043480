// Taking a snapshot out of the graph of kin without losing who may share with whom.
#pragma once

#include "format/records.h"
#include "store/state.h"

namespace blkrewind::store {

// The entries that remove `number` from the state, or leave a tombstone where three or more kin are
// connected only through it. Tombstones that it was connected with become one with it, so there are
// never two side by side, and none that leads to fewer than three. Looks at every edge once, and
// changes only the records whose edges led to what is removed, however dense the graph is.
[[nodiscard]] format::Transaction remove_from_kin(const State& state,
                                                  format::SnapshotNumber number);

}  // namespace blkrewind::store
