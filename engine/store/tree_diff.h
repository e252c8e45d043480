// The chunks in which two trees differ, in ascending order. Equal subtrees are skipped by their
// digests: the cost is proportional to the difference, not to the size of the trees. Memory: one
// node per level and tree.
#pragma once

#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/entry.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

struct ChunkDifference {
  std::uint64_t chunk = 0;
  format::Entry from;
  format::Entry to;
};

class TreeDiff {
 public:
  // Two trees of the same geometry, from `first_chunk` on.
  TreeDiff(TreeReader& reader, const Tree& from, const Tree& to, std::uint64_t first_chunk = 0);

  // Empty after the last one.
  [[nodiscard]] Result<std::optional<ChunkDifference>> next();

 private:
  TreeCursor from_;
  TreeCursor to_;
  std::uint64_t chunk_;
};

}  // namespace blkrewind::store
