// The state that results from replaying a log.
//
// Copied in constant time: a change makes a new state that shares with the old one what it did not
// change, so that neither an append nor a reader that keeps a state pays for the history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/persistent_map.h"
#include "blkrewind/error.h"
#include "format/records.h"

namespace blkrewind::store {

// What an index keeps of a disk's record: all but what every operation changes.
[[nodiscard]] format::DiskRecord index_entry(format::DiskRecord record);

class State {
 public:
  PersistentMap<format::DiskNumber, format::DiskRecord> disks;
  PersistentMap<format::SnapshotNumber, format::SnapshotRecord> snapshots;
  PersistentMap<format::DiskNumber, format::IntentRecord> intents;
  PersistentMap<format::SegmentId, std::uint64_t> segments;  // live bytes
  PersistentMap<format::DiskNumber, format::ResetRecord> resets;
  PersistentMap<format::DiskNumber, format::ClockRecord> clocks;
  // Of snapshots that exist for users: both go when the snapshot begins to be deleted.
  PersistentMap<format::SnapshotNumber, format::NoteRecord> notes;
  PersistentMap<format::SnapshotNumber, format::TokenRecord> tokens;
  // Changes that belong to a group: of a disk, what is true once the group is committed; of the
  // index, the groups.
  PersistentMap<format::GroupNumber, format::PendingRecord> pending;
  PersistentMap<format::GroupNumber, format::GroupRecord> groups;
  // Of the index: of each clone; of a disk's log: its own, if it is one.
  PersistentMap<format::DiskNumber, format::OriginRecord> origins;
  PersistentMap<format::DiskNumber, format::HoldRecord> holds;  // by the clone
  format::Counters counters;

  void apply(const format::JournalEntry& entry);
  void apply(const format::Transaction& transaction);

  // More than a process can hold in memory; only a forged log has that many.
  [[nodiscard]] bool is_too_large() const {
    return disks.size() > kRecordsMax || snapshots.size() > kRecordsMax ||
           intents.size() > kRecordsMax || segments.size() > 4 * kRecordsMax ||
           kin_.size() > 4 * kRecordsMax || resets.size() > kRecordsMax ||
           clocks.size() > kRecordsMax || notes.size() > kRecordsMax ||
           tokens.size() > kRecordsMax || pending.size() > kRecordsMax ||
           groups.size() > kRecordsMax || origins.size() > kRecordsMax ||
           holds.size() > kRecordsMax;
  }
  // Whether the segments that the log of `disk` names are its own.
  [[nodiscard]] bool has_own_segments(format::DiskNumber disk) const {
    const auto* origin = origins.get(disk);
    return origin == nullptr || segments.empty() || segments.begin()->first >= origin->own_from();
  }
  // An id that two disks or two snapshots share, so that one could be taken for the other; or
  // empty.
  [[nodiscard]] std::string_view repeated_id() const;

  // Every record, put once: replaying it results in this state. Ends with the first error of
  // `visit`, and returns it.
  [[nodiscard]] Status for_each_put(
      const std::function<Status(const format::JournalEntry&)>& visit) const;
  [[nodiscard]] format::Transaction as_puts() const;
  // How many puts, and their bytes in a log.
  [[nodiscard]] std::size_t entry_count() const {
    return disks.size() + snapshots.size() + intents.size() + segments.size() + resets.size() +
           clocks.size() + notes.size() + tokens.size() + pending.size() + groups.size() +
           origins.size() + holds.size() + 1;
  }
  [[nodiscard]] std::uint64_t put_bytes() const;

  [[nodiscard]] const format::SnapshotRecord* snapshot(format::SnapshotNumber number) const {
    return snapshots.get(number);
  }
  [[nodiscard]] const format::DiskRecord* disk(format::DiskNumber number) const {
    return disks.get(number);
  }

  // The lineage of `number`, from whichever side it is recorded; only existing snapshots,
  // ascending.
  [[nodiscard]] std::vector<format::SnapshotNumber> kin_of(format::SnapshotNumber number) const;

  // The snapshots that may share extents with `number` and still hold them: those reachable from it
  // in the lineage graph through tombstones. See reclaim.h.
  [[nodiscard]] std::vector<format::SnapshotNumber> holders_near(
      format::SnapshotNumber number) const;

 private:
  struct Apply;
  static constexpr std::size_t kRecordsMax = 1'000'000;

  template <class Number, class Record>
  void put(PersistentMap<Number, Record>& records, Number number, const Record& record);
  template <class Number, class Record>
  void remove(PersistentMap<Number, Record>& records, Number number);

  // The lineage by the older side of each edge: {number, one whose record names it}.
  PersistentMap<std::pair<format::SnapshotNumber, format::SnapshotNumber>, std::monostate> kin_;
  std::uint64_t record_bytes_ = 0;  // of all records but the segments
};

}  // namespace blkrewind::store
