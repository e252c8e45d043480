#include "store/lineage.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace blkrewind::store {
namespace {

using format::SnapshotNumber;
using format::SnapshotRecord;
using format::SnapshotState;

void add_to_lineage(SnapshotRecord& record, SnapshotNumber kin) {
  record.kin.push_back(kin);
  std::ranges::sort(record.kin);
  record.kin.erase(std::unique(record.kin.begin(), record.kin.end()), record.kin.end());
}

using Edges = std::map<SnapshotNumber, std::vector<SnapshotNumber>>;

// The member of `gone` that stays as the tombstone: an earlier tombstone with the most edges, so
// that few records change; if there is none, `number`.
SnapshotNumber junction_of(const std::set<SnapshotNumber>& gone, SnapshotNumber number,
                           const Edges& edges) {
  SnapshotNumber best = number;
  for (const SnapshotNumber at : gone) {
    if (at == number) continue;
    if (best == number || edges.at(at).size() > edges.at(best).size()) best = at;
  }
  return best;
}

SnapshotRecord tombstone_of(const State& state, SnapshotNumber number) {
  SnapshotRecord tombstone;
  tombstone.number = number;
  tombstone.state = SnapshotState::kTombstone;
  if (const SnapshotRecord* record = state.snapshot(number)) {
    tombstone.disk = record->disk;
    tombstone.kin = record->kin;
  }
  return tombstone;
}

}  // namespace

format::Transaction remove_from_lineage(const State& state, SnapshotNumber number) {
  Edges edges;  // of what goes
  // The tombstones connected with it are merged with it: they lead to the same snapshots.
  std::set<SnapshotNumber> gone = {number};
  std::set<SnapshotNumber> near;
  std::vector<SnapshotNumber> open = {number};
  while (!open.empty()) {
    const SnapshotNumber at = open.back();
    open.pop_back();
    edges[at] = state.kin_of(at);
    for (const SnapshotNumber kin : edges[at]) {
      if (kin != number && state.snapshot(kin)->state != SnapshotState::kTombstone) {
        near.insert(kin);
      } else if (gone.insert(kin).second) {
        open.push_back(kin);
      }
    }
  }

  format::Transaction transaction;
  const bool junction = near.size() > 2;
  const SnapshotNumber kept = junction ? junction_of(gone, number, edges) : 0;
  std::set<SnapshotNumber> changed;  // whose edges led to a removed record
  for (const SnapshotNumber removed : gone) {
    if (junction && removed == kept) continue;
    transaction.emplace_back(format::SnapshotRemoved{removed});
    for (const SnapshotNumber kin : edges[removed]) {
      if (near.contains(kin)) changed.insert(kin);
    }
  }
  SnapshotRecord tombstone = tombstone_of(state, kept);
  const auto removed = [&](SnapshotNumber kin) {
    return gone.contains(kin) && !(junction && kin == kept);
  };
  // Only the younger side records an edge.
  for (const SnapshotNumber at : changed) {
    SnapshotRecord record = *state.snapshot(at);
    std::erase_if(record.kin, removed);
    if (junction) {
      if (kept < at) add_to_lineage(record, kept);
      if (at < kept) tombstone.kin.push_back(at);
    } else if (near.size() == 2 && at == *near.rbegin()) {
      add_to_lineage(record, *near.begin());
    }
    if (record != *state.snapshot(at)) transaction.emplace_back(std::move(record));
  }
  if (junction) {
    std::erase_if(tombstone.kin, [&](SnapshotNumber kin) { return !near.contains(kin); });
    std::ranges::sort(tombstone.kin);
    tombstone.kin.erase(std::unique(tombstone.kin.begin(), tombstone.kin.end()),
                        tombstone.kin.end());
    if (tombstone != *state.snapshot(kept)) transaction.emplace_back(std::move(tombstone));
  }
  return transaction;
}

}  // namespace blkrewind::store
