// Builds a new tree from an old one, copy-on-write: leaves that are put replace the base's;
// everything else is shared with it. Only nodes that differ from the base's are written, so a tree
// that equals its base writes nothing and has the same root.
//
// Memory: one node per level. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/node.h"
#include "store/segment_writer.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

class TreeBuilder {
 public:
  // `base` has the same geometry as the new tree; nullptr: all leaves that are not put are zero.
  TreeBuilder(const format::Geometry& geometry, TreeCursor* base, SegmentWriter& writer,
              io::Queue& queue);

  // Leaves must be put in ascending order.
  [[nodiscard]] Status put(std::uint64_t leaf, const format::Entries& entries);
  // The root entry. Nodes may still be buffered in the writer.
  [[nodiscard]] Result<format::Entry> finish();

 private:
  [[nodiscard]] Status open_path(std::uint64_t leaf);
  [[nodiscard]] Status close_level(std::uint32_t level);
  // The entry for `node`: the base's if nothing differs, zero, or a newly written one.
  [[nodiscard]] Result<format::Entry> finish_node(const format::Node& node);
  void set_entry(std::uint32_t level, std::uint64_t index, const format::Entry& entry);

  const format::Geometry geometry_;
  TreeCursor* base_;
  SegmentWriter& writer_;
  io::Queue& queue_;
  std::array<std::optional<format::Node>, format::kMaxHeight> open_;  // levels 1 and up
  format::Entry root_;
  std::uint64_t next_leaf_ = 0;
};

}  // namespace blkrewind::store
