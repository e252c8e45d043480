// Making a catalog: in an empty database, or as a file.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

// Throws SQLite::Exception.
void make_catalog(SQLite::Database& database);

// The file is complete and flushed before it has its name, so an empty or a short one is damage and
// never an unfinished catalog. Nothing is done if there is one, also if another process makes it at
// the same time. What an interrupted creation has left is removed by the next one that succeeds.
// Errors: kNoSpace, kIo, kPrecondition (owner or mode of the directory is refused).
[[nodiscard]] Status make_catalog_file(const std::string& path);

}  // namespace blkrewind::control
