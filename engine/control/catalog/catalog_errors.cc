#include "control/catalog/catalog_errors.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "control/catalog/catalog_connections.h"

namespace blkrewind::control {
namespace {

// SQLite keeps only the error of the last call: where it cannot create its journal, it looks for
// one that it may read. The file system itself is queried.
bool is_full(const std::string& path) {
  constexpr std::uint64_t kLeastBytes = 64 * 1024;  // of the journal
  struct statvfs status {};
  return statvfs(path.c_str(), &status) == 0 &&
         ((status.f_files != 0 && status.f_favail == 0) ||
          std::uint64_t{status.f_bavail} * status.f_frsize < kLeastBytes);
}

// 0: this process may write the catalog and in its directory.
int errno_of_writing(const std::string& path) {
  for (const std::string& name : {path, folder_of(path)}) {
    if (::faccessat(AT_FDCWD, name.c_str(), W_OK, AT_EACCESS) != 0) return errno;
  }
  return 0;
}

}  // namespace

Error damaged_catalog(const std::string& path, const std::string& why) {
  Error error;
  error.code = Errc::kIntegrity;
  error.message = "the catalog " + path + " is damaged: " + why;
  error.remedy = Remedy("restore it from a backup")
                     .or_else(
                         "move it away, and its files -journal and -wal with it: snapshots do not "
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
    case SQLITE_FULL:
      return system_error(ENOSPC, "cannot write the catalog " + path);
    case SQLITE_READONLY: {
      Error error;
      error.code = Errc::kIo;
      error.sys_errno = sys_errno != 0 ? sys_errno : errno_of_writing(path);
      error.message = "the store is read-only: cannot change the catalog " + path + ": " + what;
      error.remedy =
          Remedy("make the store writable to change it").because("it can be read as it is");
      return error;
    }
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH: {
      if ((sys_errno == 0 || sys_errno == ENOENT) && is_full(path)) sys_errno = ENOSPC;
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
