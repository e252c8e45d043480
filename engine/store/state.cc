#include "store/state.h"

#include <algorithm>
#include <set>

#include "format/record_codec.h"

namespace blkrewind::store {

template <class Number, class Record>
void State::remove(PersistentMap<Number, Record>& records, Number number) {
  const Record* before = records.get(number);
  if (before == nullptr) return;
  record_bytes_ -= format::encoded_bytes(*before);
  records.erase(number);
}

template <class Number, class Record>
void State::put(PersistentMap<Number, Record>& records, Number number, const Record& record) {
  if (const Record* before = records.get(number)) record_bytes_ -= format::encoded_bytes(*before);
  record_bytes_ += format::encoded_bytes(record);
  records.put(number, record);
}

format::DiskRecord index_entry(format::DiskRecord record) {
  record.base_snapshot = 0;
  record.last_rollback = {};
  return record;
}

struct State::Apply {
  State& state;

  // Numbers are never reused, whatever the counters say.
  void operator()(const format::DiskRecord& disk) {
    state.put(state.disks, disk.number, disk);
    (*this)(format::Counters{.next_disk = disk.number + 1});
  }
  void operator()(const format::SnapshotRecord& snapshot) {
    const auto* before = state.snapshot(snapshot.number);
    if (before == nullptr || before->kin != snapshot.kin) {
      unlink(before);
      for (const format::SnapshotNumber kin : snapshot.kin) {
        if (kin != snapshot.number) state.kin_.put({kin, snapshot.number}, {});
      }
    }
    state.put(state.snapshots, snapshot.number, snapshot);
    if (snapshot.state == format::SnapshotState::kDeleting ||
        snapshot.state == format::SnapshotState::kTombstone) {
      forget_notes(snapshot.number);
    }
    (*this)(format::Counters{.next_snapshot = snapshot.number + 1});
  }
  void operator()(const format::IntentRecord& intent) {
    state.put(state.intents, intent.disk, intent);
  }
  void operator()(const format::SegmentRecord& segment) {
    state.segments.put(segment.id, segment.live_bytes);
    (*this)(format::Counters{.next_segment = segment.id + 1});
  }
  void operator()(const format::Counters& next) {
    // Counters only grow: entries of two concurrent operations may arrive in any order.
    state.counters.next_disk = std::max(state.counters.next_disk, next.next_disk);
    state.counters.next_snapshot = std::max(state.counters.next_snapshot, next.next_snapshot);
    state.counters.next_segment = std::max(state.counters.next_segment, next.next_segment);
  }
  void operator()(const format::ResetRecord& reset) { state.put(state.resets, reset.disk, reset); }
  void operator()(const format::ClockRecord& clock) { state.put(state.clocks, clock.disk, clock); }
  void operator()(const format::NoteRecord& note) { state.put(state.notes, note.snapshot, note); }
  void operator()(const format::TokenRecord& token) {
    state.put(state.tokens, token.snapshot, token);
  }
  void operator()(const format::TokenRemoved& removed) {
    state.remove(state.tokens, removed.snapshot);
  }
  void operator()(const format::DiskRemoved& removed) {
    state.remove(state.disks, removed.number);
    state.remove(state.resets, removed.number);
    state.remove(state.clocks, removed.number);
    state.remove(state.origins, removed.number);
  }
  void operator()(const format::SnapshotRemoved& removed) {
    unlink(state.snapshot(removed.number));
    state.remove(state.snapshots, removed.number);
    forget_notes(removed.number);
  }
  void operator()(const format::IntentRemoved& removed) {
    state.remove(state.intents, removed.disk);
  }
  void operator()(const format::SegmentRemoved& removed) { state.segments.erase(removed.id); }

  void operator()(const format::PendingRecord& record) {
    state.put(state.pending, record.group, record);
  }
  void operator()(const format::PendingEnded& ended) {
    const auto* record = state.pending.get(ended.group);
    if (record == nullptr) return;
    // It was decoded once, when it was read or written.
    const auto entries = ended.done ? format::decode_entries(record->entries)
                                    : Result<format::Transaction>(format::Transaction{});
    state.remove(state.pending, ended.group);
    if (entries) state.apply(*entries);
  }
  void operator()(const format::GroupRecord& group) { state.put(state.groups, group.group, group); }
  void operator()(const format::GroupRemoved& removed) {
    state.remove(state.groups, removed.group);
  }

  void operator()(const format::OriginRecord& origin) {
    state.put(state.origins, origin.disk, origin);
    // In the index it counts nothing, because an index has no segments.
    (*this)(format::Counters{.next_segment = origin.own_from()});
  }
  void operator()(const format::HoldRecord& hold) { state.put(state.holds, hold.clone, hold); }
  void operator()(const format::HoldRemoved& removed) { state.remove(state.holds, removed.clone); }

  void forget_notes(format::SnapshotNumber snapshot) {
    state.remove(state.notes, snapshot);
    state.remove(state.tokens, snapshot);
  }
  void unlink(const format::SnapshotRecord* snapshot) {
    if (snapshot == nullptr) return;
    for (const format::SnapshotNumber kin : snapshot->kin) {
      state.kin_.erase({kin, snapshot->number});
    }
  }
};

void State::apply(const format::JournalEntry& entry) { std::visit(Apply{*this}, entry); }

void State::apply(const format::Transaction& transaction) {
  for (const format::JournalEntry& entry : transaction) apply(entry);
}

Status State::for_each_put(const std::function<Status(const format::JournalEntry&)>& visit) const {
  BLKREWIND_TRY(visit(counters));
  for (const auto& [number, disk] : disks) BLKREWIND_TRY(visit(disk));
  for (const auto& [number, snapshot] : snapshots) BLKREWIND_TRY(visit(snapshot));
  for (const auto& [number, intent] : intents) BLKREWIND_TRY(visit(intent));
  for (const auto& [id, live_bytes] : segments) {
    BLKREWIND_TRY(visit(format::SegmentRecord{id, live_bytes}));
  }
  for (const auto& [number, reset] : resets) BLKREWIND_TRY(visit(reset));
  for (const auto& [number, clock] : clocks) BLKREWIND_TRY(visit(clock));
  for (const auto& [number, note] : notes) BLKREWIND_TRY(visit(note));
  for (const auto& [number, token] : tokens) BLKREWIND_TRY(visit(token));
  for (const auto& [number, entries] : pending) BLKREWIND_TRY(visit(entries));
  for (const auto& [number, group] : groups) BLKREWIND_TRY(visit(group));
  for (const auto& [number, origin] : origins) BLKREWIND_TRY(visit(origin));
  for (const auto& [clone, hold] : holds) BLKREWIND_TRY(visit(hold));
  return {};
}

format::Transaction State::as_puts() const {
  format::Transaction puts;
  puts.reserve(entry_count());
  (void)for_each_put([&](const format::JournalEntry& entry) -> Status {
    puts.push_back(entry);
    return {};
  });
  return puts;
}

std::uint64_t State::put_bytes() const {
  return record_bytes_ + format::encoded_bytes(counters) +
         segments.size() * format::encoded_bytes(format::SegmentRecord{});
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

std::vector<format::SnapshotNumber> State::kin_of(format::SnapshotNumber number) const {
  std::vector<format::SnapshotNumber> all;
  if (const auto* own = snapshot(number)) {
    for (const format::SnapshotNumber kin : own->kin) {
      if (kin != number && snapshots.contains(kin)) all.push_back(kin);
    }
  }
  for (auto at = kin_.lower_bound({number, 0}); at != kin_.end() && at->first.first == number;
       ++at) {
    all.push_back(at->first.second);
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
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
      if (snapshot(near)->state == format::SnapshotState::kAccomplished) {
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
