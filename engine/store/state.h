// The state that results from replaying a journal.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "format/records.h"

namespace blkrewind::store {

struct State {
  std::map<format::DiskNumber, format::DiskRecord> disks;
  std::map<format::SnapshotNumber, format::SnapshotRecord> snapshots;
  std::map<format::DiskNumber, format::IntentRecord> intents;
  std::map<format::SegmentId, std::uint64_t> segments;  // live bytes
  format::Counters counters;

  void apply(const format::JournalEntry& entry);
  void apply(const format::Transaction& transaction);

  // More than a process can hold in memory; only a forged journal has that many.
  [[nodiscard]] bool is_too_large() const {
    return disks.size() > kRecordsMax || snapshots.size() > kRecordsMax ||
           intents.size() > kRecordsMax || segments.size() > 4 * kRecordsMax;
  }
  // An id that two disks or two snapshots share, so that one could be taken for the other; or
  // empty.
  [[nodiscard]] std::string_view repeated_id() const;
  [[nodiscard]] std::size_t entry_count() const {
    return disks.size() + snapshots.size() + intents.size() + segments.size() + 1;
  }
  // Every record, put once: replaying it results in this state.
  [[nodiscard]] format::Transaction as_puts() const;

  [[nodiscard]] const format::SnapshotRecord* snapshot(format::SnapshotNumber number) const;
  [[nodiscard]] const format::DiskRecord* disk(format::DiskNumber number) const;

  // The lineage of each of `chosen` (sorted), from whichever side it is recorded; only existing
  // snapshots.
  using Kin = std::map<format::SnapshotNumber, std::vector<format::SnapshotNumber>>;
  [[nodiscard]] Kin kin_of(const std::vector<format::SnapshotNumber>& chosen) const;

  // The snapshots that may share extents with `number` and still hold them: those reachable from it
  // in the lineage graph through tombstones. See reclaim.h.
  [[nodiscard]] std::vector<format::SnapshotNumber> holders_near(
      format::SnapshotNumber number) const;

 private:
  static constexpr std::size_t kRecordsMax = 1'000'000;
};

}  // namespace blkrewind::store
