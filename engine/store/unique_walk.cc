#include "store/unique_walk.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace blkrewind::store {
namespace {

using format::Entry;
using format::kFanout;
using format::Node;

class Walk {
 public:
  Walk(TreeReader& reader, const format::Geometry& geometry, const UniqueFilter& filter,
       const UniqueVisitor& visit)
      : reader_(reader), geometry_(geometry), filter_(filter), visit_(visit) {}

  // `kin`: the entries of the lineage at the same position.
  Status descend(std::uint32_t level, std::uint64_t index, const Entry& entry,
                 const std::vector<Entry>& kin) {
    if (is_shared(entry, kin)) return {};
    const int here = static_cast<int>(level);
    if (filter_.what > here) return {};
    if (filter_.what == here) return visit_({here, index, entry});

    auto node = reader_.load(entry, level, index);
    if (node) {
      if (auto ends = format::check_node_end(*node, geometry_); !ends) node = fail(ends.error());
    }
    if (!node) {
      if (filter_.on_damage) {
        filter_.on_damage(here, index, entry, node.error());
        return {};
      }
      if (filter_.pass_over_damage && node.error().code == Errc::kIntegrity) return {};
      return fail(std::move(node).error());
    }
    // On the heap: a walk may be eight nodes deep, for each snapshot of the lineage.
    const auto self = std::make_unique<Node>(*node);
    std::vector<Node> beside;
    for (const Entry& other : distinct(kin)) {
      auto loaded = reader_.load(other, level, index);
      if (!loaded && filter_.on_damage) continue;
      // What it shares is unknown, so nothing below counts as unique.
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
  // Snapshots that share this node count once, so that memory is proportional to the number of
  // nodes in the store and not to the number of snapshots.
  static std::vector<Entry> distinct(std::vector<Entry> kin) {
    std::erase_if(kin, [](const Entry& entry) { return entry.is_zero(); });
    std::ranges::sort(kin, {},
                      [](const Entry& entry) { return std::pair(entry.segment, entry.block); });
    const auto same = [](const Entry& one, const Entry& other) { return one.same_place(other); };
    kin.erase(std::unique(kin.begin(), kin.end(), same), kin.end());
    return kin;
  }

  [[nodiscard]] bool is_shared(const Entry& entry, const std::vector<Entry>& kin) const {
    return entry.is_zero() || entry.segment < filter_.own_from ||
           std::ranges::any_of(kin, [&](const Entry& other) { return entry.same_place(other); });
  }

  TreeReader& reader_;
  const format::Geometry geometry_;
  const UniqueFilter& filter_;
  const UniqueVisitor& visit_;
};

}  // namespace

Status for_each_unique(TreeReader& reader, const Tree& tree, std::span<const Tree> kin,
                       const UniqueFilter& filter, const UniqueVisitor& visit) {
  // Snapshots of another geometry (the device was resized in between) share nothing.
  std::vector<Entry> roots;
  for (const Tree& other : kin) {
    if (other.geometry == tree.geometry) roots.push_back(other.root);
  }
  Walk walk(reader, tree.geometry, filter, visit);
  return walk.descend(tree.geometry.height() - 1, 0, tree.root, roots);
}

}  // namespace blkrewind::store
