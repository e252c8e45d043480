// The catalog as a file: made, opened, checked, and every exception of SQLite stopped here.
#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <new>
#include <utility>

#include "base/fd.h"
#include "base/ids.h"
#include "base/log.h"
#include "control/catalog.h"
#include "control/catalog_digest.h"

namespace blkrewind::control {
namespace {

constexpr int kApplicationId = 0x626C6B72;  // "blkr"; PRAGMA application_id, as file(1) shows it

constexpr const char* kSchema = R"sql(
CREATE TABLE instances(
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK(status IN ('', 'Running', 'Stopped')),
  expires_at INTEGER NOT NULL,
  in_arrears INTEGER NOT NULL CHECK(in_arrears IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE instance_locks(
  instance_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY(instance_id, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE disks(
  disk_id TEXT PRIMARY KEY NOT NULL,
  instance_id TEXT NOT NULL,
  attached_at INTEGER NOT NULL,
  first_detached_at INTEGER NOT NULL,
  detached_at INTEGER NOT NULL
) STRICT;
INSERT INTO instances VALUES('i-local', '', '', 0, 0, 0);
)sql";

constexpr const char* kSchemaOfVersion2 = R"sql(
CREATE TABLE resets(
  disk_id TEXT PRIMARY KEY NOT NULL,
  request_id TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  undo INTEGER NOT NULL CHECK(undo IN (0, 1)),
  state TEXT NOT NULL CHECK(state IN ('accepted', 'done', 'failed')),
  accepted_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL
) STRICT;
CREATE TABLE snapshot_notes(
  snapshot_id TEXT PRIMARY KEY NOT NULL,
  retention_days INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshot_tags(
  snapshot_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(snapshot_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE client_tokens(
  token TEXT PRIMARY KEY NOT NULL,
  parameters TEXT NOT NULL,
  snapshot_id TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
)sql";

Error damaged(const std::string& path, const std::string& why) {
  Error error;
  error.code = Errc::kIntegrity;
  error.message = "the catalog " + path + " is damaged: " + why;
  error.hint =
      "restore it from a backup, or move it away, and its files -wal and -shm with it: snapshots "
      "do "
      "not depend on it, and every disk then belongs to i-local again";
  return error;
}

// https://www.sqlite.org/rescode.html; the low byte is the primary code.
Error from_sqlite(const SQLite::Exception& exception, const std::string& path, int sys_errno) {
  const std::string what = exception.what();
  switch (exception.getErrorCode() & 0xFF) {
    case SQLITE_ERROR:  // the statements are fixed: it is the tables that are not as they were made
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
      return damaged(path, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: {
      Error error;
      error.code = Errc::kBusy;
      error.message = "the catalog " + path + " is in use by another process";
      error.hint = "try again when it has ended";
      return error;
    }
    case SQLITE_NOMEM:
      return system_error(ENOMEM, "cannot use the catalog " + path);
    case SQLITE_FULL: {
      Error error = system_error(ENOSPC, "cannot write the catalog " + path);
      return error;
    }
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: {
      Error error = system_error(sys_errno, "cannot use the catalog " + path + ": " + what);
      if (error.code != Errc::kNoSpace) error.code = Errc::kIo;
      if (error.hint.empty()) error.hint = "check the permissions and the file system of the store";
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

// Calls `body` and lets nothing out. Every use of SQLiteCpp stands inside one of these.
template <class Body>
Status guarded(const std::string& path, const std::unique_ptr<SQLite::Database>& database,
               const Body& body) {
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

Result<bool> file_is_there(const std::string& path) {
  if (path == ":memory:") return false;
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(system_error(errno, "cannot look for the catalog " + path));
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
}

Status sync_parent(const std::string& path) {
  const std::string parent = folder_of(path);
  const UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0) {
    return fail(system_error(errno, "cannot flush the directory " + parent));
  }
  return {};
}

std::unique_ptr<SQLite::Database> connect(const std::string& path) {
  const int flags = SQLite::OPEN_READWRITE | (path == ":memory:" ? SQLite::OPEN_CREATE : 0);
  auto database = std::make_unique<SQLite::Database>(path, flags, kBusyTimeoutMs);
  sqlite3_extended_result_codes(database->getHandle(), 1);
  database->exec("PRAGMA cache_size=-256; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;");
  return database;
}

int pragma(SQLite::Database& database, const char* text) {
  return database.execAndGet(text).getInt();
}

void make_schema(SQLite::Database& database, const std::string& path) {
  // Not possible inside a transaction, and not serious when another process is in the way: the
  // catalog works with a rollback journal as well.
  if (database.tryExec("PRAGMA journal_mode=WAL") != SQLite::OK) {
    log::warning("the catalog " + path + " keeps a rollback journal");
  }
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  if (pragma(database, "PRAGMA user_version") == 0) {  // else another process was first
    database.exec(kSchema);
    database.exec(kSchemaOfVersion2);
    seal(database);
    database.exec("PRAGMA application_id=" + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version=" + std::to_string(kCatalogVersion));
  }
  transaction.commit();
}

// Whoever moved a catalog away may have left its log behind, and SQLite would play that into the
// next file of the name. Locked, so that it is not the log of a catalog that somebody else has just
// made.
Status give_name(const std::string& temporary, const std::string& path) {
  const UniqueFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || flock(folder.get(), LOCK_EX) != 0) {
    return fail(system_error(errno, "cannot lock the directory " + folder_of(path)));
  }
  BLKREWIND_ASSIGN(const bool there, file_is_there(path));
  if (there) return {};
  for (const char* suffix : {"-wal", "-shm", "-journal"}) unlink((path + suffix).c_str());
  if (link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    return fail(system_error(errno, "cannot make the catalog " + path));
  }
  return {};
}

// The whole catalog, schema and all, made beside its place and then given its name: an empty file
// is damage, never a catalog that was not finished. Mode 0600 (SQLite's own would follow the
// umask). SQLite locks by fcntl(2), and closing any descriptor of a file drops those locks for the
// whole process, so nothing here opens the file once it has its name.
Status make_file(const std::string& path) {
  const std::string temporary = path + "." + new_id("new-");
  {
    const UniqueFd file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (file.get() < 0) return fail(system_error(errno, "cannot make the catalog " + path));
  }
  const std::unique_ptr<SQLite::Database> none;
  Status made = guarded(path, none, [&]() -> Status {
    const auto database = connect(temporary);
    make_schema(*database, temporary);
    return {};
  });
  if (made) made = give_name(temporary, path);
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) unlink((temporary + suffix).c_str());
  if (!made) return made;
  return sync_parent(path);
}

}  // namespace

Catalog::Catalog(std::string path) : path_(std::move(path)) {}
Catalog::~Catalog() { leave_if_moved(); }

Result<std::unique_ptr<Catalog>> Catalog::open(std::string path) {
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(path)));
  BLKREWIND_TRY(catalog->open_if_there());
  return catalog;
}

Status Catalog::check_version() {
  SQLite::Database& database = *database_;
  const int version = pragma(database, "PRAGMA user_version");
  if (version > kCatalogVersion) {
    return fail(Errc::kUnsupported,
                "the catalog " + path_ + " is of version " + std::to_string(version) +
                    "; this blkrewind knows version " + std::to_string(kCatalogVersion),
                "use a newer blkrewind");
  }
  const bool empty = pragma(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (version == 0 && empty) return fail(damaged(path_, "it is empty"));
  if (version < 1 || pragma(database, "PRAGMA application_id") != kApplicationId) {
    return fail(damaged(path_, "it is the database of another program"));
  }
  // The full check, of the indices too: a row that its index does not know is not found.
  const std::string check = database.execAndGet("PRAGMA integrity_check(1)").getString();
  if (check != "ok") return fail(damaged(path_, check));
  SQLite::Transaction transaction(database);
  return check_content();
}

Status Catalog::upgrade() {
  if (pragma(*database_, "PRAGMA user_version") >= 2) return {};
  database_->exec(kSchemaOfVersion2);
  database_->exec("PRAGMA user_version=2");
  return {};
}

Status Catalog::check_content() {
  // Changes when another process has changed something.
  const int version = pragma(*database_, "PRAGMA data_version");
  if (checked_version_ == version) return {};
  if (!seal_is_intact(*database_)) {
    return fail(damaged(path_, "it does not hold what was written to it"));
  }
  checked_version_ = version;
  return {};
}

void Catalog::leave_if_moved() {
  if (!database_ || path_ == ":memory:") return;
  // https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlhasmoved
  int moved = 0;
  const int asked = sqlite3_file_control(database_->getHandle(), nullptr, SQLITE_FCNTL_HAS_MOVED,
                                         static_cast<void*>(&moved));
  if (asked != SQLITE_OK || moved == 0) return;
  // Its last connection would remove the log by name, which may be that of a new catalog by now.
  sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  log::warning("the catalog " + path_ + " was moved away or replaced");
  database_.reset();
  checked_version_.reset();
}

Status Catalog::open_if_there() {
  leave_if_moved();
  if (database_) return {};
  BLKREWIND_ASSIGN(const bool there, file_is_there(path_));
  if (!there) return {};
  Status opened = guarded(path_, database_, [this]() -> Status {
    database_ = connect(path_);
    return check_version();
  });
  if (!opened) {
    database_.reset();
    checked_version_.reset();
  }
  return opened;
}

Status Catalog::open_or_make() {
  leave_if_moved();
  if (!database_ && path_ != ":memory:") {
    BLKREWIND_ASSIGN(const bool there, file_is_there(path_));
    if (!there) BLKREWIND_TRY(make_file(path_));
  }
  BLKREWIND_TRY(open_if_there());
  if (database_) return {};
  return guarded(path_, database_, [this]() -> Status {
    database_ = connect(path_);
    make_schema(*database_, path_);
    return check_version();
  });
}

Status Catalog::read(const std::function<void(SQLite::Database&)>& body) {
  const std::lock_guard<std::mutex> guard(mutex_);
  BLKREWIND_TRY(open_if_there());
  if (!database_) return {};
  return guarded(path_, database_, [&]() -> Status {
    // One view for all statements of the body. Rolled back at its end: nothing was changed.
    SQLite::Transaction transaction(*database_);
    BLKREWIND_TRY(check_content());
    body(*database_);
    return {};
  });
}

Status Catalog::change(const std::function<Status(SQLite::Database&)>& body) {
  const std::lock_guard<std::mutex> guard(mutex_);
  BLKREWIND_TRY(open_or_make());
  return guarded(path_, database_, [&]() -> Status {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    BLKREWIND_TRY(check_content());
    BLKREWIND_TRY(upgrade());
    BLKREWIND_TRY(body(*database_));
    seal(*database_);
    transaction.commit();
    return {};
  });
}

}  // namespace blkrewind::control
