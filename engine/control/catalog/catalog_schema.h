// Limits on the content of the catalog's file, which another user may have written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "io/folder.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// Creates the tables of that version in an empty database.
void make_tables(SQLite::Database& database, int version);
// The tables and columns that each version added.
void add_tables_of_version2(SQLite::Database& database);
void add_tables_of_version3(SQLite::Database& database);
void add_tables_of_version4(SQLite::Database& database);
// The tables of versions 2 to 4 that version 5 does not have, whatever they hold.
void drop_tables_for_version5(SQLite::Database& database);
[[nodiscard]] bool has_old_tables(SQLite::Database& database);
[[nodiscard]] bool has_old_rows(SQLite::Database& database);

// Empty, or the unexpected object: tables, indices, views and triggers are compared literally with
// those that make_tables() creates, before any of them is used.
[[nodiscard]] std::string schema_fault(SQLite::Database& database, int version);
// Empty, or the row with an invalid id or name. Ids become parts of names elsewhere. The second
// form looks at one table, the third at the rows of `where`, a clause with one parameter.
[[nodiscard]] std::string row_fault(SQLite::Database& database);
[[nodiscard]] std::string row_fault(SQLite::Database& database, std::string_view table);
[[nodiscard]] std::string row_fault(SQLite::Database& database, std::string_view table,
                                    const std::string& where, const std::string& key);

// Opens the directory, and checks the catalog's files in it like those of the store (folder.h)
// before SQLite opens them by name. False: there is no catalog.
[[nodiscard]] Result<bool> judge_catalog_files(const io::Folder& folder, const std::string& name);

// Limits the work of SQLite for one use of the catalog; lives as long as the connection.
class StepLimit {
 public:
  // Starts counting for a new use.
  void restart() { left_ = kCallsMax; }
  // Restricts a connection to a file of unknown origin, and counts its steps.
  void apply(SQLite::Database& database);

 private:
  static constexpr int kStepsACall = 1'000'000;
  static constexpr int kCallsMax = 2'000;
  int left_ = kCallsMax;
};

}  // namespace blkrewind::control
