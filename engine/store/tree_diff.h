// The chunks in which two trees differ, in order. Equal subtrees are skipped by their digests: the
// cost follows the difference, not the size of the trees. Memory: one node a level and tree.
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
  // Two trees of the same geometry.
  TreeDiff(TreeReader& reader, const Tree& from, const Tree& to);

  // Nothing after the last one.
  [[nodiscard]] Result<std::optional<ChunkDifference>> next();

 private:
  TreeCursor from_;
  TreeCursor to_;
  std::uint64_t chunk_ = 0;
};

}  // namespace blkrewind::store
