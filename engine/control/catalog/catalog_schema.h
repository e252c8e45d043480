// What the catalog's file may hold: it may have been written by another user.
#pragma once

#include <cstdint>
#include <string>

#include "blkrewind/error.h"
#include "io/folder.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// Makes the tables of that version in an empty database.
void make_tables(SQLite::Database& database, int version);
// The tables and columns that each version added.
void add_tables_of_version2(SQLite::Database& database);
void add_tables_of_version3(SQLite::Database& database);

// Empty, or what is there and does not belong there: the tables, indices, views and triggers are
// compared word by word with what make_tables() makes, before any of them is used.
[[nodiscard]] std::string schema_fault(SQLite::Database& database, int version);
// Empty, or the row whose id or name cannot be one. Ids become parts of names elsewhere.
[[nodiscard]] std::string row_fault(SQLite::Database& database);

// Opens the folder, and judges the catalog's files in it as the store's others are (folder.h)
// before SQLite opens them by name. False: there is no catalog.
[[nodiscard]] Result<bool> judge_catalog_files(const io::Folder& folder, const std::string& name);

// How much one use of the catalog may make SQLite do; lives as long as the connection.
class StepLimit {
 public:
  // From here on a new use counts.
  void restart() { left_ = kCallsMax; }
  // Sets what a connection to a file of unknown origin may do, and counts its steps.
  void apply(SQLite::Database& database);

 private:
  static constexpr int kStepsACall = 1'000'000;
  static constexpr int kCallsMax = 2'000;
  int left_ = kCallsMax;
};

}  // namespace blkrewind::control
