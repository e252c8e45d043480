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
  std::vector<SnapshotNumber> open = {number};
  std::set<SnapshotNumber> gone;
  while (!open.empty()) {
    const SnapshotNumber at = open.back();
    open.pop_back();
    const std::set<SnapshotNumber> near = graph[at];
    if (near.size() > 2) continue;  // a junction stays
    for (const SnapshotNumber kin : near) {
      graph[kin].erase(at);
      for (const SnapshotNumber other : near) {
        if (other != kin) graph[kin].insert(other);
      }
      if (state.snapshots[kin].state == SnapshotState::kTombstone) open.push_back(kin);
    }
    graph.erase(at);
    gone.insert(at);
    state.snapshots.erase(at);
  }

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
