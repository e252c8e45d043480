#include "control/catalog/catalog_errors.h"

#include <sqlite3.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdint>

namespace blkrewind::control {
namespace {

// SQLite keeps no errno for a file that it maps and cannot extend: the file system itself is
// queried.
bool is_full(const std::string& path) {
  constexpr std::uint64_t kLeastBytes = 64 * 1024;  // of its log and its shared memory
  struct statvfs status {};
  return statvfs(path.c_str(), &status) == 0 &&
         std::uint64_t{status.f_bavail} * status.f_frsize < kLeastBytes;
}

}  // namespace

Error damaged_catalog(const std::string& path, const std::string& why) {
  Error error;
  error.code = Errc::kIntegrity;
  error.message = "the catalog " + path + " is damaged: " + why;
  error.remedy = Remedy("restore it from a backup")
                     .or_else(
                         "move it away, and its files -wal and -shm with it: snapshots do not "
                         "depend on it, and every disk then belongs to i-local again");
  return error;
}

Error from_sqlite(const SQLite::Exception& exception, const std::string& path, int sys_errno) {
  const std::string what = exception.what();
  // The low byte is the primary code.
  switch (exception.getErrorCode() & 0xFF) {
    case SQLITE_ERROR:  // the statements are fixed: it is the tables that are not as they were made
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
      return damaged_catalog(path, what);
    case SQLITE_INTERRUPT:  // StepLimit; nothing else interrupts
      return damaged_catalog(path, "reading it does not end");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: {
      Error error;
      error.code = Errc::kBusy;
      error.message = "the catalog " + path + " is in use by another process";
      error.remedy = "try again when it has ended";
      return error;
    }
    case SQLITE_NOMEM:
      return system_error(ENOMEM, "cannot use the catalog " + path);
    case SQLITE_FULL: {
      Error error = system_error(ENOSPC, "cannot write the catalog " + path);
      return error;
    }
    case SQLITE_READONLY: {
      Error error;
      error.code = Errc::kIo;
      error.sys_errno = sys_errno != 0 ? sys_errno : EROFS;
      error.message = "the store is read-only: cannot change the catalog " + path + ": " + what;
      error.remedy =
          Remedy("make the store writable to change it").because("it can be read as it is");
      return error;
    }
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH: {
      if (sys_errno == 0 && is_full(path)) sys_errno = ENOSPC;
      Error error = system_error(sys_errno, "cannot use the catalog " + path + ": " + what);
      if (error.code != Errc::kNoSpace) error.code = Errc::kIo;
      if (error.remedy.empty())
        error.remedy = "check the permissions and the file system of the store";
      return error;
    }
    default: {
      Error error;
      error.code = Errc::kInternal;
      error.message = "the catalog " + path + " failed: " + what;
      return error;
    }
  }
}

}  // namespace blkrewind::control
