#include "control/catalog/carry_over.h"

#include <string>
#include <tuple>
#include <utility>

#include "operations/operations_parts.h"

namespace blkrewind::control {
namespace {

using Entries = std::map<format::DiskNumber, format::Transaction>;

// A rollback of that request has ended; or, if that request was to resume an interrupted one, that
// one has ended, to the same snapshot: the disk's last rollback was another one before.
bool has_ended(const OldReset& row, const store::State& state, const format::DiskRecord& disk) {
  const format::LastRollback& last = disk.last_rollback;
  if (last.request_id.empty() || state.intents.contains(disk.number)) return false;
  if (last.request_id == row.record.request_id) return true;
  const auto* target = state.snapshot(last.target);
  if (target == nullptr || target->id != row.record.snapshot_id) return false;
  // A row without that has only times; one in the same second may have been before it.
  if (row.last_before == "-") return last.finished_at > row.record.accepted.wall;
  return last.request_id != row.last_before;
}

}  // namespace

Entries entries_of(const OldRows& rows, const store::StatesByDisk& states,
                   const DigestSecret& secret) {
  std::map<std::string, format::DiskNumber> disks;
  std::map<std::string, std::pair<format::DiskNumber, format::SnapshotNumber>> snapshots;
  for (const auto& [number, state] : states) {
    if (number == format::kIndexLog) continue;
    for (const auto& [disk, record] : state.disks) disks.emplace(record.id, disk);
    for (const auto& [snapshot, record] : state.snapshots) {
      snapshots.emplace(record.id, std::pair{number, snapshot});
    }
  }
  Entries entries;
  for (const OldReset& row : rows.resets) {
    const auto found = disks.find(row.disk_id);
    if (found == disks.end()) continue;
    const store::State& state = states.at(found->second);
    const format::DiskRecord& disk = *state.disk(found->second);
    format::ResetRecord reset = row.record;
    reset.disk = found->second;
    if (reset.state == ResetState::kAccepted && has_ended(row, state, disk)) {
      reset.state = ResetState::kDone;
      reset.finished_at = disk.last_rollback.finished_at;
    }
    entries[reset.disk].emplace_back(std::move(reset));
  }
  for (const OldNote& row : rows.notes) {
    const auto found = snapshots.find(row.snapshot_id);
    if (found == snapshots.end()) continue;
    format::NoteRecord note = row.record;
    std::tie(note.disk, note.snapshot) = found->second;
    entries[note.disk].emplace_back(std::move(note));
  }
  for (const OldToken& row : rows.tokens) {
    const auto found = snapshots.find(row.snapshot_id);
    if (found == snapshots.end()) continue;
    format::TokenRecord token = row.record;
    std::tie(token.disk, token.snapshot) = found->second;
    token.parameters = digest_of_request(secret, row.parameters);
    entries[token.disk].emplace_back(std::move(token));
  }
  if (!rows.clock) return entries;
  for (const auto& [id, number] : disks) {
    format::ClockRecord clock = *rows.clock;
    clock.disk = number;
    entries[number].emplace_back(std::move(clock));
  }
  return entries;
}

}  // namespace blkrewind::control
