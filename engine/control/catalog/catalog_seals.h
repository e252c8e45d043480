// The seals of the catalog's rows: a keyed digest of each row, in a table of its own, and per table
// the number of rows and the sum of their digests.
//
// SQLite's own checks find a damaged structure, but not a changed letter in the name of a lock,
// which would disable that lock. A seal finds a row that differs from what was written, that was
// removed, or that was added; it is in another page than its row, so it also finds a row whose page
// was not written. The sum finds what changed together with its seal.
//
// A change costs as much as the rows that it touches: triggers of the connection, which are not in
// the file, replace their seals, whatever the statement is. A trigger that meets a row without its
// seal aborts the statement, so that damage is never sealed. Reading one row checks that row.
//
// Like the digests of chunks, seals detect accidents. They are no MAC: the key is in the catalog.
//
// One object for each connection, on the thread that uses it. Every function is called inside a
// transaction, and throws SQLite::Exception; damage is one with the code SQLITE_CORRUPT.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

class Seals {
 public:
  // Registers the SQL functions that the triggers use. A catalog from before version 4 has no
  // seals; until load() nothing is checked.
  explicit Seals(SQLite::Database& database);
  Seals(const Seals&) = delete;
  Seals& operator=(const Seals&) = delete;

  // Gives the catalog a key, and each of its rows a seal: for a new or an upgraded catalog.
  void make();
  // Makes a catalog of version 4 one of version 5: without the tables that only the former has, and
  // without the seals of their rows.
  void drop_old_tables();
  // Reads the key of a catalog of version 4 or 5, and verifies all rows and seals.
  void load();
  [[nodiscard]] bool loaded() const { return loaded_; }
  void unload();
  // Before the first change of a connection: makes the triggers, if there are none.
  void guard();

  // The rows of `table` whose key, or its first column, is `key`; also that there is none.
  void check(std::string_view table, const std::string& key);
  // All rows of `table`. Repeated only after another connection has changed something.
  void check_all_of(std::string_view table);
  // The number of rows of `table`, without counting them.
  [[nodiscard]] std::int64_t rows_of(std::string_view table) const;

  // The number of rows that were digested so far.
  [[nodiscard]] std::uint64_t digested() const { return digested_; }

 private:
  struct Table;
  static const Table kTables[];
  // Those that the catalog has: in version 5 the first three.
  [[nodiscard]] std::span<const Table> tables() const;
  static const Table& table_named(std::string_view name);
  [[nodiscard]] std::string select_seals(const Table& table);
  void read_key();
  void compare(const Table& table);

  SQLite::Database& database_;
  DigestSecret secret_{};
  bool loaded_ = false;
  std::uint64_t digested_ = 0;
  std::map<int, int> checked_;  // PRAGMA data_version when all rows of a table were verified
};

}  // namespace blkrewind::control
