// Errors of the catalog's file, made from what SQLite says.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <exception>
#include <memory>
#include <new>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind::control {

// kIntegrity, with what to do about the file.
[[nodiscard]] Error damaged_catalog(const std::string& path, const std::string& why);

// https://www.sqlite.org/rescode.html. `sys_errno`: what SQLite kept of the system call; 0:
// nothing.
[[nodiscard]] Error from_sqlite(const SQLite::Exception& exception, const std::string& path,
                                int sys_errno);

// Calls `body` and lets no exception out. Every use of SQLiteCpp is inside one of these.
template <class Body>
[[nodiscard]] Status guarded(const std::string& path,
                             const std::unique_ptr<SQLite::Database>& database, const Body& body) {
  try {
    return body();
  } catch (const SQLite::Exception& exception) {
    const int sys_errno = database ? sqlite3_system_errno(database->getHandle()) : 0;
    return fail(from_sqlite(exception, path, sys_errno));
  } catch (const std::bad_alloc&) {
    return fail(Errc::kInternal, "out of memory while using the catalog " + path);
  } catch (const std::exception& exception) {
    return fail(Errc::kInternal, "the catalog " + path + " failed: " + exception.what());
  }
}

}  // namespace blkrewind::control
