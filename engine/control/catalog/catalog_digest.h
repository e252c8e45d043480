// A digest of all rows of the catalog, stored in one of its tables.
//
// SQLite's own checks find a damaged structure, but not a changed letter in the name of a lock,
// which would disable that lock.
//
// Each function is called inside a transaction, and throws SQLite::Exception.
#pragma once

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// Writes the digest of the current content of the tables; creates its table if there is none.
void write_content_digest(SQLite::Database& database);

// False if the tables do not match the stored digest. True also if there is no stored digest.
[[nodiscard]] bool content_digest_matches(SQLite::Database& database);

}  // namespace blkrewind::control
