#include "store/unique_walk.h"

#include <algorithm>
#include <memory>

namespace blkrewind::store {
namespace {

using format::Entry;
using format::kFanout;
using format::Node;

class Walk {
 public:
  Walk(TreeReader& reader, const UniqueFilter& filter, const UniqueVisitor& visit)
      : reader_(reader), filter_(filter), visit_(visit) {}

  // `kin`: the entries that the kin have in the same place.
  Status descend(std::uint32_t level, std::uint64_t index, const Entry& entry,
                 const std::vector<Entry>& kin) {
    if (is_shared(entry, kin)) return {};
    const int here = static_cast<int>(level);
    if (filter_.what > here) return {};
    if (filter_.what == here) return visit_({here, index, entry});

    auto node = reader_.load(entry, level, index);
    if (!node) {
      if (filter_.on_damage) {
        filter_.on_damage(here, index, entry, node.error());
        return {};
      }
      if (filter_.pass_over_damage && node.error().code == Errc::kIntegrity) return {};
      return fail(std::move(node).error());
    }
    // On the heap: a walk may be eight nodes deep, times the kin.
    const auto self = std::make_unique<Node>(*node);
    std::vector<Node> beside;
    for (const Entry& other : kin) {
      if (other.is_zero()) continue;
      auto loaded = reader_.load(other, level, index);
      if (!loaded && filter_.on_damage) continue;
      // What it shares cannot be told, so nothing below is called unique.
      if (!loaded && filter_.pass_over_damage && loaded.error().code == Errc::kIntegrity) return {};
      if (!loaded) return fail(std::move(loaded).error());
      beside.push_back(std::move(*loaded));
    }
    std::vector<Entry> below(beside.size());
    for (std::uint32_t i = 0; i < kFanout; ++i) {
      const Entry& child = self->entries[i];
      if (child.is_zero()) continue;
      std::ranges::transform(beside, below.begin(), [&](const Node& n) { return n.entries[i]; });
      const std::uint64_t child_index = index * kFanout + i;
      if (level > 0) {
        BLKREWIND_TRY(descend(level - 1, child_index, child, below));
      } else if (filter_.what < 0 && child.state == format::EntryState::kStored &&
                 !is_shared(child, below)) {
        BLKREWIND_TRY(visit_({-1, child_index, child}));
      }
    }
    if (filter_.what == UniqueFilter::kEverything) return visit_({here, index, entry});
    return {};
  }

 private:
  static bool is_shared(const Entry& entry, const std::vector<Entry>& kin) {
    return entry.is_zero() ||
           std::ranges::any_of(kin, [&](const Entry& other) { return entry.same_place(other); });
  }

  TreeReader& reader_;
  const UniqueFilter& filter_;
  const UniqueVisitor& visit_;
};

}  // namespace

Status for_each_unique(TreeReader& reader, const Tree& tree, std::span<const Tree> kin,
                       const UniqueFilter& filter, const UniqueVisitor& visit) {
  // Kin of another geometry (the device was resized in between) share nothing.
  std::vector<Entry> roots;
  for (const Tree& other : kin) {
    if (other.geometry == tree.geometry) roots.push_back(other.root);
  }
  Walk walk(reader, filter, visit);
  return walk.descend(tree.geometry.height() - 1, 0, tree.root, roots);
}

}  // namespace blkrewind::store
