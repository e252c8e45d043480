// A digest of every row of the catalog, kept in a table of it.
//
// SQLite's own checks find a broken structure, not a letter of a lock's name that has become
// another one, which would let through what the lock forbids.
//
// Each is called inside a transaction, and throws SQLite::Exception.
#pragma once

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// Writes the digest of what the tables hold now; makes its table in a catalog that has none.
void seal(SQLite::Database& database);

// False when the tables do not hold what was sealed. True also when nothing was sealed.
[[nodiscard]] bool seal_is_intact(SQLite::Database& database);

}  // namespace blkrewind::control
