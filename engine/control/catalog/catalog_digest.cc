#include "control/catalog/catalog_digest.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/digest.h"

namespace blkrewind::control {
namespace {

// Each value is preceded by its length and its column's number, so that different contents are
// never serialised alike.
void add_rows(SQLite::Database& database, const char* query, std::string& content) {
  SQLite::Statement rows(database, query);
  content += query;
  while (rows.executeStep()) {
    for (int i = 0; i < rows.getColumnCount(); ++i) {
      const std::string value = rows.getColumn(i).getString();
      content += "\n" + std::to_string(i) + " " + std::to_string(value.size()) + " " + value;
    }
  }
}

std::int64_t digest_of_rows(SQLite::Database& database) {
  std::string content;
  add_rows(database, "SELECT * FROM instances ORDER BY id", content);
  add_rows(database, "SELECT * FROM instance_locks ORDER BY instance_id, reason", content);
  add_rows(database, "SELECT * FROM disks ORDER BY disk_id", content);
  if (database.tableExists("resets")) {  // version 2
    add_rows(database, "SELECT name, sql FROM sqlite_master ORDER BY name", content);
    add_rows(database, "SELECT * FROM resets ORDER BY disk_id", content);
    add_rows(database, "SELECT * FROM snapshot_notes ORDER BY snapshot_id", content);
    add_rows(database, "SELECT * FROM snapshot_tags ORDER BY snapshot_id, key", content);
    add_rows(database, "SELECT * FROM client_tokens ORDER BY token", content);
  }
  if (database.tableExists("clock")) {  // version 3
    add_rows(database, "SELECT * FROM clock ORDER BY id", content);
  }
  return static_cast<std::int64_t>(plain_checksum_of(std::as_bytes(std::span(content))));
}

}  // namespace

bool content_digest_matches(SQLite::Database& database) {
  if (!database.tableExists("content_digest")) return true;
  SQLite::Statement query(database, "SELECT value FROM content_digest");
  return query.executeStep() && query.getColumn(0).getInt64() == digest_of_rows(database);
}

}  // namespace blkrewind::control
