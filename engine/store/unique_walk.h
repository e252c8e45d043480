// The extents that a snapshot refers to and no other of its lineage does: exactly what deleting it
// frees.
//
// An extent is shared only between snapshots of which one was made from the other, and always at
// the same position of both trees (State::holders_near returns the candidates). One walk down the
// snapshot's tree, beside the trees of its lineage, that turns back wherever it meets the same node
// or chunk, therefore visits exactly the unique extents: the cost is proportional to the freed
// space.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "blkrewind/error.h"
#include "format/entry.h"
#include "format/records.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

// Which of them are visited: chunks, the nodes of one level, or everything.
struct UniqueFilter {
  static constexpr int kChunks = -1;
  static constexpr int kEverything = -2;
  int what = kEverything;
  // Of a clone: the segments below are another disk's, so what they hold counts as shared. So does
  // all that it refers to, which is older.
  format::SegmentId own_from = 0;
  // A damaged node is skipped, with everything below it, and so are the nodes beside a damaged node
  // of the lineage. Deleting a damaged snapshot therefore frees less than possible, and never what
  // other snapshots need. It also makes a walk repeatable after an interruption: below a node that
  // was freed, everything had been freed before.
  bool pass_over_damage = false;
  // The same, but reports damage; a damaged node of the lineage then counts as sharing nothing.
  // Nodes that cannot be read now (any code but kIntegrity) are reported as well, although they are
  // not damage: without on_damage the walk fails there, because what is below can be neither
  // counted nor punched.
  std::function<void(int level, std::uint64_t index, const format::Entry& entry,
                     const Error& error)>
      on_damage = {};
};

// A chunk (`level` -1) or a node.
struct UniqueExtent {
  int level = -1;
  std::uint64_t index = 0;
  format::Entry entry;
};

using UniqueVisitor = std::function<Status(const UniqueExtent&)>;

[[nodiscard]] Status for_each_unique(TreeReader& reader, const Tree& tree,
                                     std::span<const Tree> kin, const UniqueFilter& filter,
                                     const UniqueVisitor& visit);

}  // namespace blkrewind::store
