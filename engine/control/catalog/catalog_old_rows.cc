#include "control/catalog/catalog_old_rows.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <map>
#include <utility>

#include "control/catalog/catalog.h"
#include "control/catalog/catalog_schema.h"
#include "control/catalog/catalog_seals.h"

namespace blkrewind::control {
namespace {

ResetState state_named(const std::string& name) {
  if (name == "accepted") return ResetState::kAccepted;
  return name == "done" ? ResetState::kDone : ResetState::kFailed;
}

std::vector<OldReset> resets_of(SQLite::Database& database, bool knows_clock) {
  SQLite::Statement query(
      database,
      std::string("SELECT disk_id, request_id, snapshot_id, undo, state, accepted_at, finished_at, "
                  "error_code, error_message, ") +
          (knows_clock ? "accepted_boottime, accepted_boot_id, last_before" : "0, '', '-'") +
          " FROM resets ORDER BY disk_id");
  std::vector<OldReset> rows;
  while (query.executeStep()) {
    OldReset& row = rows.emplace_back();
    row.disk_id = query.getColumn(0).getString();
    row.last_before = query.getColumn(11).getString();
    row.record.request_id = query.getColumn(1).getString();
    row.record.snapshot_id = query.getColumn(2).getString();
    row.record.undo = query.getColumn(3).getInt() != 0;
    row.record.state = state_named(query.getColumn(4).getString());
    row.record.accepted = {query.getColumn(5).getInt64(), query.getColumn(9).getInt64(),
                           query.getColumn(10).getString()};
    row.record.finished_at = query.getColumn(6).getInt64();
    row.record.error_code = query.getColumn(7).getString();
    row.record.error_message = query.getColumn(8).getString();
  }
  return rows;
}

std::vector<OldNote> notes_of(SQLite::Database& database, bool knows_clock, bool knows_counter) {
  std::map<std::string, std::vector<Tag>> tags;
  SQLite::Statement tag(database, "SELECT snapshot_id, key, value FROM snapshot_tags ORDER BY key");
  while (tag.executeStep()) {
    tags[tag.getColumn(0).getString()].push_back(
        {tag.getColumn(1).getString(), tag.getColumn(2).getString()});
  }
  SQLite::Statement query(
      database, std::string("SELECT snapshot_id, retention_days, ") +
                    (knows_clock ? "counted_seconds, owed_seconds, " : "0, 0, ") +
                    (knows_counter ? "counted_from" : "0") + " FROM snapshot_notes ORDER BY rowid");
  std::vector<OldNote> rows;
  while (query.executeStep()) {
    OldNote row;
    row.snapshot_id = query.getColumn(0).getString();
    row.record.retention_days = query.getColumn(1).getUInt();
    row.record.counted_seconds = query.getColumn(2).getInt64();
    row.record.owed_seconds = query.getColumn(3).getInt64();
    row.record.counted_from = query.getColumn(4).getInt64();
    row.record.tags = std::move(tags[row.snapshot_id]);
    // Each snapshot with a token had a row.
    if (row.record.retention_days > 0 || !row.record.tags.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<format::ClockRecord> clock_of(SQLite::Database& database, bool knows_counter) {
  SQLite::Statement query(database, std::string("SELECT wall, boottime, boot_id, ") +
                                        (knows_counter ? "counted" : "0") + " FROM clock");
  if (!query.executeStep()) return std::nullopt;
  format::ClockRecord clock;
  clock.moment = {query.getColumn(0).getInt64(), query.getColumn(1).getInt64(),
                  query.getColumn(2).getString()};
  clock.counted = query.getColumn(3).getInt64();
  return clock;
}

// A token of version 3 has the seconds that were counted; a record only says from where on the
// counter counts for it. All counters are ahead by what the oldest token has counted then.
void read_tokens(SQLite::Database& database, bool knows_clock, bool knows_counter, OldRows& rows) {
  SQLite::Statement query(database, std::string("SELECT token, parameters, snapshot_id, ") +
                                        (knows_clock ? "counted_seconds, " : "0, ") +
                                        (knows_counter ? "counted_from" : "0") +
                                        " FROM client_tokens ORDER BY rowid");
  std::vector<std::int64_t> counted;
  while (query.executeStep()) {
    OldToken& row = rows.tokens.emplace_back();
    row.record.token = query.getColumn(0).getString();
    row.parameters = query.getColumn(1).getString();
    row.snapshot_id = query.getColumn(2).getString();
    counted.push_back(query.getColumn(3).getInt64());
    row.record.counted_from = query.getColumn(4).getInt64() - counted.back();
  }
  const std::int64_t ahead = counted.empty() ? 0 : *std::ranges::max_element(counted);
  for (OldToken& row : rows.tokens) row.record.counted_from += ahead;
  for (OldNote& row : rows.notes) row.record.counted_from += ahead;
  if (rows.clock) rows.clock->counted += ahead;
}

}  // namespace

OldRows Catalog::rows_of(SQLite::Database& database) {
  OldRows rows;
  if (!has_old_tables(database)) return rows;
  const bool knows_clock = database.tableExists("clock");
  const bool knows_counter = seals_->loaded();
  for (const char* table : {"resets", "snapshot_notes", "snapshot_tags", "client_tokens"}) {
    seals_->check_all_of(table);
  }
  rows.resets = resets_of(database, knows_clock);
  rows.notes = notes_of(database, knows_clock, knows_counter);
  if (knows_clock) {
    seals_->check_all_of("clock");
    rows.clock = clock_of(database, knows_counter);
  }
  read_tokens(database, knows_clock, knows_counter, rows);
  return rows;
}

Result<OldRows> Catalog::old_rows() {
  OldRows rows;
  BLKREWIND_TRY(read([&](SQLite::Database& database) { rows = rows_of(database); }));
  return rows;
}

Status Catalog::hand_over_old_rows(const std::function<Status(const OldRows&)>& take) {
  bool there = false;
  BLKREWIND_TRY(read([&](SQLite::Database& database) { there = has_old_tables(database); }));
  if (!there) return take({});
  Status taken;
  const Status dropped = change([&](SQLite::Database& database) -> Status {
    taken = take(rows_of(database));
    BLKREWIND_TRY(taken);
    if (has_old_tables(database)) seals_->drop_old_tables();
    return {};
  });
  return taken ? dropped : taken;
}

}  // namespace blkrewind::control
