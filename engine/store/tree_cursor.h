// A position in a chunk tree, with the nodes on the path to it in memory: 5 KiB per level, whatever
// the size of the tree. Moving forward loads each node once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/geometry.h"
#include "format/node.h"
#include "format/records.h"
#include "store/tree_reader.h"

namespace blkrewind::store {

// A tree, as a value: the part of a snapshot record that describes it.
struct Tree {
  format::Geometry geometry;
  format::Entry root;
};
[[nodiscard]] inline Tree tree_of(const format::SnapshotRecord& snapshot) {
  return {{snapshot.device_bytes, snapshot.chunk_bytes}, snapshot.root};
}

class TreeCursor {
 public:
  TreeCursor(TreeReader& reader, const Tree& tree);

  [[nodiscard]] const Tree& tree() const { return tree_; }

  // The node, or nullptr if everything below it is zero. Valid until the next call.
  [[nodiscard]] Result<const format::Node*> node(std::uint32_t level, std::uint64_t index);
  // The entry that refers to node (level - 1, index), or to chunk `index` for level 0. Above the
  // root's level: the root entry.
  [[nodiscard]] Result<format::Entry> entry(std::uint32_t level, std::uint64_t index);
  // The entries of a leaf; nullptr if they are all zero. Valid until the next call.
  [[nodiscard]] Result<const format::Entries*> leaf(std::uint64_t index);

 private:
  TreeReader& reader_;
  Tree tree_;
  std::array<std::optional<format::Node>, format::kMaxHeight> path_;
};

}  // namespace blkrewind::store
