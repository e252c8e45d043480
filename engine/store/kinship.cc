#include "store/kinship.h"

#include <algorithm>
#include <map>
#include <set>

namespace blkrewind::store {
namespace {

using format::SnapshotNumber;
using format::SnapshotRecord;
using format::SnapshotState;

// The graph with every edge on both sides.
using Graph = std::map<SnapshotNumber, std::set<SnapshotNumber>>;

Graph graph_of(const State& state) {
  Graph graph;
  for (const auto& [number, record] : state.snapshots) {
    graph[number];
    for (const SnapshotNumber kin : record.kin) {
      if (!state.snapshots.contains(kin) || kin == number) continue;
      graph[number].insert(kin);
      graph[kin].insert(number);
    }
  }
  return graph;
}

}  // namespace

format::Transaction remove_from_kin(State state, SnapshotNumber number) {
  Graph graph = graph_of(state);
  // The dead that are connected with it become one with it: they lead to the same kin.
  std::set<SnapshotNumber> gone = {number};
  std::set<SnapshotNumber> near;
  std::vector<SnapshotNumber> open = {number};
  while (!open.empty()) {
    const SnapshotNumber at = open.back();
    open.pop_back();
    for (const SnapshotNumber kin : graph[at]) {
      if (gone.contains(kin)) continue;
      if (state.snapshots[kin].state == SnapshotState::kTombstone) {
        gone.insert(kin);
        open.push_back(kin);
      } else {
        near.insert(kin);
      }
    }
  }
  const bool junction = near.size() > 2;
  for (const SnapshotNumber kin : near) {
    std::erase_if(graph[kin], [&](SnapshotNumber other) { return gone.contains(other); });
    if (junction) {
      graph[kin].insert(number);
    } else {
      for (const SnapshotNumber other : near) {
        if (other != kin) graph[kin].insert(other);
      }
    }
  }
  graph[number] = near;
  if (junction) gone.erase(number);
  for (const SnapshotNumber removed : gone) state.snapshots.erase(removed);

  format::Transaction transaction;
  for (const SnapshotNumber removed : gone) {
    transaction.emplace_back(format::SnapshotRemoved{removed});
  }
  for (auto& [at, record] : state.snapshots) {
    const SnapshotRecord before = record;
    if (at == number) {
      SnapshotRecord tombstone;
      tombstone.number = record.number;
      tombstone.disk = record.disk;
      tombstone.state = SnapshotState::kTombstone;
      record = tombstone;
    }
    // One side records each edge: the younger.
    record.kin.clear();
    for (const SnapshotNumber kin : graph[at]) {
      if (kin < at) record.kin.push_back(kin);
    }
    if (record != before) transaction.emplace_back(record);
  }
  return transaction;
}

}  // namespace blkrewind::store
