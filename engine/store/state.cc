#include "store/state.h"

#include <algorithm>
#include <set>

namespace blkrewind::store {
namespace {

struct Apply {
  State& state;

  // Numbers are never reused, whatever the counters say.
  void operator()(const format::DiskRecord& disk) {
    state.disks[disk.number] = disk;
    (*this)(format::Counters{.next_disk = disk.number + 1});
  }
  void operator()(const format::SnapshotRecord& snapshot) {
    state.snapshots[snapshot.number] = snapshot;
    (*this)(format::Counters{.next_snapshot = snapshot.number + 1});
  }
  void operator()(const format::IntentRecord& intent) { state.intents[intent.disk] = intent; }
  void operator()(const format::SegmentRecord& segment) {
    state.segments[segment.id] = segment.live_bytes;
    (*this)(format::Counters{.next_segment = segment.id + 1});
  }
  void operator()(const format::Counters& counters) {
    // Counters only grow: entries of two concurrent operations may arrive in any order.
    state.counters.next_disk = std::max(state.counters.next_disk, counters.next_disk);
    state.counters.next_snapshot = std::max(state.counters.next_snapshot, counters.next_snapshot);
    state.counters.next_segment = std::max(state.counters.next_segment, counters.next_segment);
  }
  void operator()(const format::DiskRemoved& removed) { state.disks.erase(removed.number); }
  void operator()(const format::SnapshotRemoved& removed) { state.snapshots.erase(removed.number); }
  void operator()(const format::IntentRemoved& removed) { state.intents.erase(removed.disk); }
  void operator()(const format::SegmentRemoved& removed) { state.segments.erase(removed.id); }
};

}  // namespace

void State::apply(const format::JournalEntry& entry) { std::visit(Apply{*this}, entry); }

void State::apply(const format::Transaction& transaction) {
  for (const format::JournalEntry& entry : transaction) apply(entry);
}

format::Transaction State::as_puts() const {
  format::Transaction puts;
  puts.reserve(entry_count());
  puts.emplace_back(counters);
  for (const auto& [number, disk] : disks) puts.emplace_back(disk);
  for (const auto& [number, snapshot] : snapshots) puts.emplace_back(snapshot);
  for (const auto& [number, intent] : intents) puts.emplace_back(intent);
  for (const auto& [id, live_bytes] : segments) {
    puts.emplace_back(format::SegmentRecord{id, live_bytes});
  }
  return puts;
}

std::string_view State::repeated_id() const {
  std::vector<std::string_view> ids;
  ids.reserve(disks.size() + snapshots.size());
  for (const auto& [number, disk] : disks) ids.emplace_back(disk.id);
  for (const auto& [number, snapshot] : snapshots) {
    if (!snapshot.id.empty()) ids.emplace_back(snapshot.id);  // a tombstone has none
  }
  std::ranges::sort(ids);
  const auto repeated = std::ranges::adjacent_find(ids);
  return repeated == ids.end() ? std::string_view{} : *repeated;
}

const format::SnapshotRecord* State::snapshot(format::SnapshotNumber number) const {
  const auto found = snapshots.find(number);
  return found == snapshots.end() ? nullptr : &found->second;
}

const format::DiskRecord* State::disk(format::DiskNumber number) const {
  const auto found = disks.find(number);
  return found == disks.end() ? nullptr : &found->second;
}

State::Kin State::kin_of(const std::vector<format::SnapshotNumber>& chosen) const {
  Kin all;
  for (const format::SnapshotNumber at : chosen) all[at];
  for (const auto& [at, record] : snapshots) {
    const auto own = all.find(at);
    for (const format::SnapshotNumber kin : record.kin) {
      if (kin == at) continue;
      if (own != all.end() && snapshots.contains(kin)) own->second.push_back(kin);
      if (const auto others = all.find(kin); others != all.end()) others->second.push_back(at);
    }
  }
  return all;
}

std::vector<format::SnapshotNumber> State::holders_near(format::SnapshotNumber number) const {
  // Each edge of a record that no longer holds extents is visited once from either side, however
  // long the chains of tombstones are.
  std::vector<format::SnapshotNumber> passed;
  for (const auto& [at, record] : snapshots) {
    if (at == number || record.state != format::SnapshotState::kAccomplished) passed.push_back(at);
  }
  const Kin edges = kin_of(passed);
  std::set<format::SnapshotNumber> seen = {number};
  std::vector<format::SnapshotNumber> open = {number};
  std::vector<format::SnapshotNumber> holders;
  while (!open.empty()) {
    const auto at = edges.find(open.back());
    open.pop_back();
    if (at == edges.end()) continue;
    for (const format::SnapshotNumber near : at->second) {
      if (!seen.insert(near).second) continue;
      const auto* record = snapshot(near);
      if (record == nullptr) continue;
      if (record->state == format::SnapshotState::kAccomplished) {
        holders.push_back(near);
      } else {
        open.push_back(near);  // a tombstone, or a snapshot whose space is being freed
      }
    }
  }
  std::ranges::sort(holders);
  return holders;
}

}  // namespace blkrewind::store
