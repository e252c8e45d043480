// What a snapshot refers to and none of its kin does: exactly what deleting it gives back.
//
// An extent is shared only between snapshots that were made from one another, and always at the
// same place of both trees (State::holders_near names the candidates). So one walk down the
// snapshot's tree, with the kin's trees at its side, that turns back wherever the same node or
// chunk is met, visits just what is unique: the cost follows what is given back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "blkrewind/error.h"
#include "format/entry.h"
#include "store/tree_cursor.h"

namespace blkrewind::store {

// Which of them are visited: chunks, the nodes of one level, or everything.
struct UniqueFilter {
  static constexpr int kChunks = -1;
  static constexpr int kEverything = -2;
  int what = kEverything;
  // A damaged node is passed over, with all below it; so is what stands beside a damaged node of
  // the kin. Deleting a damaged snapshot gives back less than it could, and never what others need.
  // It also lets a walk be repeated whose work was done in part: below a node that was given back,
  // everything was given back before.
  bool pass_over_damage = false;
  // The same, and tells; a damaged node of the kin is then taken for one that shares nothing. Told
  // as well of a node that cannot be read now (any code but kIntegrity), which is no damage:
  // without on_damage the walk fails there, since what stands below can be neither counted nor
  // punched.
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
