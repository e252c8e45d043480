// Trees that an operation writes and replaces before its record.
#pragma once

#include "blkrewind/error.h"
#include "store/history.h"
#include "store/segment_writer.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

// Gives back what only `former`, a tree that `writer` wrote, needs, and `now` does not. Both have
// been written in full. Returns the bytes of chunks among it. `queue` must be idle.
[[nodiscard]] Result<std::uint64_t> release_superseded(History& history, SegmentWriter& writer,
                                                       io::Queue& queue, const Tree& former,
                                                       const Tree& now);

}  // namespace blkrewind::store
