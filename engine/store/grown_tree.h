// The tree of a larger device that begins with the bytes of a smaller one and is zero behind them.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "format/entry.h"
#include "format/geometry.h"
#include "store/segment_writer.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

struct GrownTree {
  format::Entry root;
  std::uint64_t stored_bytes = 0;      // of chunks that were written
  std::uint64_t lengthened_bytes = 0;  // of them, that the last chunk was short of
};

// Shares what it can with `from`: new are the nodes above its root, and, if its last chunk was
// short and is not zero, that chunk and the nodes on the way to it. `to` has the same chunk size
// and at least the same number of bytes. kIntegrity: the last chunk, or a node on the way to it, is
// damaged. Nodes may still be buffered in the writer.
[[nodiscard]] Result<GrownTree> grow_tree(SegmentFiles& files, const DigestSecret& secret,
                                          const Tree& from, const format::Geometry& to,
                                          SegmentWriter& writer, io::Queue& queue);

}  // namespace blkrewind::store
