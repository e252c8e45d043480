#include "store/state.h"

#include <algorithm>
#include <set>

namespace blkrewind::store {
namespace {

struct Apply {
  State& state;

  void operator()(const format::DiskRecord& disk) { state.disks[disk.number] = disk; }
  void operator()(const format::SnapshotRecord& snapshot) {
    state.snapshots[snapshot.number] = snapshot;
  }
  void operator()(const format::IntentRecord& intent) { state.intents[intent.disk] = intent; }
  void operator()(const format::SegmentRecord& segment) {
    state.segments[segment.id] = segment.live_bytes;
  }
  void operator()(const format::Counters& counters) {
    // Counters only grow: entries of two operations that ran side by side may arrive in any order.
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

const format::SnapshotRecord* State::snapshot(format::SnapshotNumber number) const {
  const auto found = snapshots.find(number);
  return found == snapshots.end() ? nullptr : &found->second;
}

const format::DiskRecord* State::disk(format::DiskNumber number) const {
  const auto found = disks.find(number);
  return found == disks.end() ? nullptr : &found->second;
}

std::vector<format::SnapshotNumber> State::kin_of(format::SnapshotNumber number) const {
  std::vector<format::SnapshotNumber> kin;
  if (const auto* self = snapshot(number)) kin = self->kin;
  for (const auto& [other, record] : snapshots) {
    if (std::ranges::find(record.kin, number) != record.kin.end()) kin.push_back(other);
  }
  return kin;
}

std::vector<format::SnapshotNumber> State::holders_near(format::SnapshotNumber number) const {
  std::set<format::SnapshotNumber> seen = {number};
  std::vector<format::SnapshotNumber> open = {number};
  std::vector<format::SnapshotNumber> holders;
  while (!open.empty()) {
    const format::SnapshotNumber at = open.back();
    open.pop_back();
    for (const format::SnapshotNumber near : kin_of(at)) {
      if (!seen.insert(near).second) continue;
      const auto* record = snapshot(near);
      if (record == nullptr) continue;
      if (record->state == format::SnapshotState::kAccomplished) {
        holders.push_back(near);
      } else {
        open.push_back(near);  // a tombstone, or one whose space is being given back
      }
    }
  }
  std::ranges::sort(holders);
  return holders;
}

}  // namespace blkrewind::store
