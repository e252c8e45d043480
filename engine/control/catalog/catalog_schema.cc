#include "control/catalog/catalog_schema.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "base/ids.h"

namespace blkrewind::control {
namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE instances(
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK(status IN ('', 'Running', 'Stopped')),
  expires_at INTEGER NOT NULL,
  in_arrears INTEGER NOT NULL CHECK(in_arrears IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE instance_locks(
  instance_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY(instance_id, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE disks(
  disk_id TEXT PRIMARY KEY NOT NULL,
  instance_id TEXT NOT NULL,
  attached_at INTEGER NOT NULL,
  first_detached_at INTEGER NOT NULL,
  detached_at INTEGER NOT NULL
) STRICT;
INSERT INTO instances VALUES('i-local', '', '', 0, 0, 0);
)sql";

constexpr const char* kSchemaOfVersion2 = R"sql(
CREATE TABLE resets(
  disk_id TEXT PRIMARY KEY NOT NULL,
  request_id TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  undo INTEGER NOT NULL CHECK(undo IN (0, 1)),
  state TEXT NOT NULL CHECK(state IN ('accepted', 'done', 'failed')),
  accepted_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL
) STRICT;
CREATE TABLE snapshot_notes(
  snapshot_id TEXT PRIMARY KEY NOT NULL,
  retention_days INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshot_tags(
  snapshot_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(snapshot_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE client_tokens(
  token TEXT PRIMARY KEY NOT NULL,
  parameters TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
)sql";

// The columns for measuring durations: see base/clock.h. Added to the tables of version 2, so that
// a new catalog and an upgraded one are the same.
constexpr const char* kSchemaOfVersion3 = R"sql(
ALTER TABLE disks ADD COLUMN detached_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE resets ADD COLUMN accepted_boottime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE resets ADD COLUMN accepted_boot_id TEXT NOT NULL DEFAULT '';
ALTER TABLE resets ADD COLUMN last_before TEXT NOT NULL DEFAULT '-';
ALTER TABLE snapshot_notes ADD COLUMN counted_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot_notes ADD COLUMN owed_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE client_tokens ADD COLUMN counted_seconds INTEGER NOT NULL DEFAULT 0;
CREATE TABLE clock(
  id INTEGER PRIMARY KEY NOT NULL CHECK(id = 1),
  wall INTEGER NOT NULL,
  boottime INTEGER NOT NULL,
  boot_id TEXT NOT NULL
) STRICT;
)sql";

// The seals (catalog_seals.h), and for each note and token the value of the clock's counter up to
// which its time is in counted_seconds. content_digest stays, and has no row: a program of an
// earlier version that has the catalog open then takes it for damaged, and does not write to it.
constexpr const char* kSchemaOfVersion4 = R"sql(
ALTER TABLE snapshot_notes ADD COLUMN counted_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE client_tokens ADD COLUMN counted_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clock ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS content_digest(value INTEGER NOT NULL) STRICT;
DELETE FROM content_digest;
CREATE TABLE seals(
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  sub TEXT NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY(kind, key, sub)
) STRICT, WITHOUT ROWID;
CREATE TABLE seal_sums(
  kind INTEGER PRIMARY KEY NOT NULL,
  number INTEGER NOT NULL,
  sum BLOB NOT NULL
) STRICT;
CREATE TABLE seal_secret(
  id INTEGER PRIMARY KEY NOT NULL CHECK(id = 1),
  secret BLOB NOT NULL
) STRICT;
)sql";

// Resets, notes and tokens are entries of the journal; the clock measured only these.
constexpr const char* kSchemaOfVersion5 = R"sql(
DROP TABLE resets;
DROP TABLE snapshot_notes;
DROP TABLE snapshot_tags;
DROP TABLE client_tokens;
DROP TABLE clock;
)sql";

// A catalog with the maximum number of tokens has a few tens of MiB.
constexpr std::uint64_t kFileBytesMax = kGiB;

using Schema = std::set<std::array<std::string, 4>>;

Schema schema_of(SQLite::Database& database) {
  // One more than any version has is enough to be wrong.
  SQLite::Statement query(database, "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 64");
  Schema schema;
  while (query.executeStep()) {
    schema.insert({query.getColumn(0).getString(), query.getColumn(1).getString(),
                   query.getColumn(2).getString(), query.getColumn(3).getString()});
  }
  return schema;
}

// The table of the digest was added by the first change of a catalog, and early catalogs have none.
void forget_digest(Schema& schema) {
  schema.erase({"table", "content_digest", "content_digest",
                "CREATE TABLE content_digest(value INTEGER NOT NULL) STRICT"});
}

bool is_id(std::string_view prefix, std::string_view text) { return is_valid_id(prefix, text); }
bool is_id_or_empty(std::string_view prefix, std::string_view text) {
  return text.empty() || is_valid_id(prefix, text);
}
bool is_name(std::string_view /*prefix*/, std::string_view text) {
  return text.empty() || is_printable_text(text, kMaxNameBytes);
}

struct Rule {
  const char* table;
  const char* column;
  const char* prefix;
  bool (*holds)(std::string_view prefix, std::string_view text);
};

constexpr Rule kRules[] = {
    {"instances", "id", "i-", is_id},
    {"instances", "name", "", is_name},
    {"instance_locks", "instance_id", "i-", is_id},
    {"disks", "disk_id", "d-", is_id},
    {"disks", "instance_id", "i-", is_id_or_empty},
    {"resets", "disk_id", "d-", is_id},
    {"resets", "request_id", "", is_name},
    {"resets", "snapshot_id", "s-", is_id},
    {"snapshot_notes", "snapshot_id", "s-", is_id},
    {"snapshot_tags", "snapshot_id", "s-", is_id},
    {"client_tokens", "snapshot_id", "s-", is_id_or_empty},
};

}  // namespace

void add_tables_of_version2(SQLite::Database& database) { database.exec(kSchemaOfVersion2); }

void add_tables_of_version3(SQLite::Database& database) { database.exec(kSchemaOfVersion3); }

void add_tables_of_version4(SQLite::Database& database) { database.exec(kSchemaOfVersion4); }

void drop_tables_for_version5(SQLite::Database& database) { database.exec(kSchemaOfVersion5); }

bool has_old_tables(SQLite::Database& database) { return database.tableExists("resets"); }

bool has_old_rows(SQLite::Database& database) {
  return has_old_tables(database) &&
         database.execAndGet(
                     "SELECT EXISTS(SELECT 1 FROM resets) OR EXISTS(SELECT 1 FROM snapshot_notes) "
                     "OR EXISTS(SELECT 1 FROM snapshot_tags) OR EXISTS(SELECT 1 FROM "
                     "client_tokens)")
                 .getInt() != 0;
}

void make_tables(SQLite::Database& database, int version) {
  database.exec(kSchema);
  if (version >= 2) add_tables_of_version2(database);
  if (version >= 3) add_tables_of_version3(database);
  if (version >= 4) add_tables_of_version4(database);
  if (version >= 5) drop_tables_for_version5(database);
}

std::string schema_fault(SQLite::Database& database, int version) {
  SQLite::Database empty(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  make_tables(empty, version);
  const Schema wanted = schema_of(empty);
  Schema found = schema_of(database);
  if (version < 4) forget_digest(found);
  for (const auto& [type, name, table, sql] : found) {
    if (!wanted.contains({type, name, table, sql})) {
      return "its " + type + " " + name + " is not one that blkrewind creates";
    }
  }
  return found.size() == wanted.size() ? "" : "a table is missing";
}

std::string row_fault(SQLite::Database& database) {
  for (const Rule& rule : kRules) {
    if (!database.tableExists(rule.table)) continue;  // of a later version
    if (std::string fault = row_fault(database, rule.table); !fault.empty()) return fault;
  }
  return {};
}

std::string row_fault(SQLite::Database& database, std::string_view table) {
  return row_fault(database, table, " WHERE '' = ?", "");
}

std::string row_fault(SQLite::Database& database, std::string_view table, const std::string& where,
                      const std::string& key) {
  for (const Rule& rule : kRules) {
    if (table != rule.table) continue;
    SQLite::Statement query(database,
                            std::string("SELECT ") + rule.column + " FROM " + rule.table + where);
    query.bind(1, key);
    while (query.executeStep()) {
      if (!rule.holds(rule.prefix, query.getColumn(0).getString())) {
        return std::string("a row of ") + rule.table + " has an invalid " + rule.column;
      }
    }
  }
  return {};
}

Result<bool> judge_catalog_files(const io::Folder& folder, const std::string& name) {
  BLKREWIND_ASSIGN(const bool there, folder.judge(name));
  if (!there) return false;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string file = name + suffix;
    BLKREWIND_ASSIGN(const bool exists, folder.judge(file));
    if (!exists) continue;
    const auto status = folder.look(file);
    if (status && static_cast<std::uint64_t>(status->st_size) > kFileBytesMax) {
      return fail(
          Errc::kIntegrity, folder.path() + "/" + file + " is larger than a catalog can be",
          "move the catalog away, and its files -journal and -wal with it, or restore it from "
          "a backup: snapshots do not depend on it");
    }
  }
  return true;
}

void StepLimit::apply(SQLite::Database& database) {
  sqlite3* const handle = database.getHandle();
  // https://www.sqlite.org/security.html, "Untrusted SQLite Database Files"
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  constexpr std::array<std::array<int, 2>, 7> kLimits = {{{SQLITE_LIMIT_LENGTH, 16 << 20},
                                                          {SQLITE_LIMIT_SQL_LENGTH, 100'000},
                                                          {SQLITE_LIMIT_EXPR_DEPTH, 100},
                                                          {SQLITE_LIMIT_COMPOUND_SELECT, 8},
                                                          {SQLITE_LIMIT_ATTACHED, 0},
                                                          {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                                                          {SQLITE_LIMIT_WORKER_THREADS, 0}}};
  for (const auto& [limit, value] : kLimits) sqlite3_limit(handle, limit, value);
  sqlite3_progress_handler(
      handle, kStepsACall,
      [](void* self) { return --static_cast<StepLimit*>(self)->left_ < 0 ? 1 : 0; }, this);
}

}  // namespace blkrewind::control
