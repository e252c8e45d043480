// Operations accepted for later execution, and metadata of snapshots.
#include <SQLiteCpp/SQLiteCpp.h>

#include <utility>

#include "control/catalog/catalog.h"
#include "control/catalog/catalog_clock.h"
#include "control/catalog/catalog_seals.h"

namespace blkrewind::control {
namespace {

constexpr const char* kAccepted = "accepted";
constexpr const char* kDone = "done";
constexpr const char* kFailed = "failed";

std::string reset_columns(SQLite::Database& database) {
  return std::string(
             "SELECT disk_id, request_id, snapshot_id, undo, state, accepted_at, finished_at, "
             "error_code, error_message, ") +
         (knows_clock(database) ? "accepted_boottime, accepted_boot_id, last_before"
                                : "0, '', '-'") +
         " FROM resets ";
}

ResetState state_named(const std::string& name) {
  if (name == kAccepted) return ResetState::kAccepted;
  return name == kDone ? ResetState::kDone : ResetState::kFailed;
}

ResetRow row_of(SQLite::Statement& query) {
  ResetRow row;
  row.disk_id = query.getColumn(0).getString();
  row.request_id = query.getColumn(1).getString();
  row.snapshot_id = query.getColumn(2).getString();
  row.undo = query.getColumn(3).getInt() != 0;
  row.state = state_named(query.getColumn(4).getString());
  row.accepted_at = query.getColumn(5).getInt64();
  row.finished_at = query.getColumn(6).getInt64();
  row.error_code = query.getColumn(7).getString();
  row.error_message = query.getColumn(8).getString();
  row.accepted_boottime = query.getColumn(9).getInt64();
  row.accepted_boot_id = query.getColumn(10).getString();
  row.last_before = query.getColumn(11).getString();
  return row;
}

// A catalog of version 1 that has not been changed since has no such tables.
bool knows_tasks(SQLite::Database& database) { return database.tableExists("resets"); }

void remove_note(SQLite::Database& database, const std::string& snapshot_id) {
  for (const char* text : {"DELETE FROM snapshot_notes WHERE snapshot_id = ?",
                           "DELETE FROM snapshot_tags WHERE snapshot_id = ?"}) {
    SQLite::Statement remove(database, text);
    remove.bind(1, snapshot_id);
    remove.exec();
  }
}

// After count_time(), which returned `counted`. The oldest tokens have counted the most, so what is
// looked at is what is removed, and one more.
void put_token(SQLite::Database& database, const Seals& seals, const TokenRow& token,
               std::int64_t wall, std::int64_t counted) {
  SQLite::Statement remove(database,
                           "DELETE FROM client_tokens WHERE rowid = (SELECT min(rowid) FROM "
                           "client_tokens) AND (?1 OR counted_seconds + ?2 - counted_from > ?3)");
  int removed = 0;
  do {
    remove.tryReset();
    remove.bind(1, seals.rows_of("client_tokens") >= kTokensMax ? 1 : 0);
    remove.bind(2, counted);
    remove.bind(3, kTokenSeconds);
    removed = remove.exec();
  } while (removed != 0);
  SQLite::Statement insert(database,
                           "INSERT OR REPLACE INTO client_tokens VALUES(?, ?, ?, ?, 0, ?)");
  insert.bind(1, token.token);
  insert.bind(2, token.parameters);
  insert.bind(3, token.snapshot_id);
  insert.bind(4, wall);
  insert.bind(5, counted);
  insert.exec();
}

}  // namespace

Status Catalog::accept_reset(const ResetRow& row) {
  return change([&](SQLite::Database& database) -> Status {
    SQLite::Statement insert(database,
                             "INSERT OR REPLACE INTO resets VALUES(?, ?, ?, ?, 'accepted', ?, 0, "
                             "'', '', ?, ?, ?)");
    insert.bind(1, row.disk_id);
    insert.bind(2, row.request_id);
    insert.bind(3, row.snapshot_id);
    insert.bind(4, row.undo ? 1 : 0);
    insert.bind(5, row.accepted_at);
    insert.bind(6, row.accepted_boottime);
    insert.bind(7, row.accepted_boot_id);
    insert.bind(8, row.last_before);
    insert.exec();
    return {};
  });
}

Status Catalog::end_reset(const std::string& disk_id, const std::string& request_id,
                          const ResetEnd& end) {
  return change([&](SQLite::Database& database) -> Status {
    seals_->check("resets", disk_id);
    SQLite::Statement update(database,
                             "UPDATE resets SET state = ?, finished_at = ?, error_code = ?, "
                             "error_message = ? WHERE disk_id = ? AND request_id = ? AND state = "
                             "'accepted'");
    update.bind(1, end.error_code.empty() ? kDone : kFailed);
    update.bind(2, end.at);
    update.bind(3, end.error_code);
    update.bind(4, end.error_message);
    update.bind(5, disk_id);
    update.bind(6, request_id);
    update.exec();
    return {};
  });
}

Result<std::optional<ResetRow>> Catalog::reset_of(const std::string& disk_id) {
  std::optional<ResetRow> row;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!knows_tasks(database)) return;
    seals_->check("resets", disk_id);
    SQLite::Statement query(database, reset_columns(database) + "WHERE disk_id = ?");
    query.bind(1, disk_id);
    if (query.executeStep()) row = row_of(query);
  }));
  return row;
}

Result<std::vector<ResetRow>> Catalog::resets() {
  std::vector<ResetRow> rows;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!knows_tasks(database)) return;
    seals_->check_all_of("resets");
    SQLite::Statement query(database, reset_columns(database) + "ORDER BY rowid");
    while (query.executeStep()) rows.push_back(row_of(query));
  }));
  return rows;
}

Status Catalog::note_snapshot(const SnapshotNote& note, const TokenRow& token, const Moment& now) {
  return change([&](SQLite::Database& database) -> Status {
    // First: the time that has passed until now counts only for the others.
    const std::int64_t counted = count_time(database, *seals_, now);
    SQLite::Statement insert(database, "INSERT INTO snapshot_notes VALUES(?, ?, 0, 0, ?)");
    insert.bind(1, note.snapshot_id);
    insert.bind(2, static_cast<std::int64_t>(note.retention_days));
    insert.bind(3, counted);
    insert.exec();
    for (const Tag& tag : note.tags) {
      SQLite::Statement insert_tag(database, "INSERT INTO snapshot_tags VALUES(?, ?, ?)");
      insert_tag.bind(1, note.snapshot_id);
      insert_tag.bind(2, tag.key);
      insert_tag.bind(3, tag.value);
      insert_tag.exec();
    }
    if (!token.token.empty()) put_token(database, *seals_, token, now.wall, counted);
    return {};
  });
}

Result<std::vector<SnapshotNote>> Catalog::snapshot_notes() {
  std::vector<SnapshotNote> notes;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!knows_tasks(database)) return;
    seals_->check_all_of("snapshot_notes");
    seals_->check_all_of("snapshot_tags");
    SQLite::Statement query(
        database, "SELECT snapshot_id, retention_days FROM snapshot_notes ORDER BY snapshot_id");
    while (query.executeStep()) {
      SnapshotNote note;
      note.snapshot_id = query.getColumn(0).getString();
      note.retention_days = query.getColumn(1).getUInt();
      notes.push_back(std::move(note));
    }
    // Both are in the order of their snapshots.
    SQLite::Statement tags(
        database, "SELECT snapshot_id, key, value FROM snapshot_tags ORDER BY snapshot_id, key");
    auto note = notes.begin();
    while (tags.executeStep()) {
      const std::string id = tags.getColumn(0).getString();
      while (note != notes.end() && note->snapshot_id < id) ++note;
      if (note == notes.end() || note->snapshot_id != id) continue;
      note->tags.push_back({tags.getColumn(1).getString(), tags.getColumn(2).getString()});
    }
  }));
  return notes;
}

Result<std::optional<TokenRow>> Catalog::token(const std::string& token, const Moment& now) {
  std::optional<TokenRow> row;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!knows_tasks(database)) return;
    seals_->check("client_tokens", token);
    // Before version 3 nothing was counted, so counting starts with the upgrade.
    const bool counted = knows_clock(database);
    SQLite::Statement query(
        database, "SELECT parameters, snapshot_id FROM client_tokens WHERE token = ?1" +
                      (counted ? " AND counted_seconds + ?2 - " + counted_from(database) + " <= ?3"
                               : std::string()));
    query.bind(1, token);
    if (counted) {
      const TimeStep step = time_since_count(database, *seals_, now);
      query.bind(2, step.counted + step.seconds);
      query.bind(3, kTokenSeconds);
    }
    if (!query.executeStep()) return;
    row = TokenRow{token, query.getColumn(0).getString(), query.getColumn(1).getString()};
  }));
  return row;
}

Status Catalog::forget_snapshot(const std::string& snapshot_id) {
  // If there is nothing to remove, no catalog must be created.
  bool noted = false;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!knows_tasks(database)) return;
    seals_->check("snapshot_notes", snapshot_id);
    SQLite::Statement query(database, "SELECT 1 FROM snapshot_notes WHERE snapshot_id = ?");
    query.bind(1, snapshot_id);
    noted = query.executeStep();
  }));
  if (!noted) return {};
  return change([&](SQLite::Database& database) -> Status {
    remove_note(database, snapshot_id);
    return {};
  });
}

}  // namespace blkrewind::control
