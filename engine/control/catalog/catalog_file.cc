// The catalog as a file: created, opened, verified; no exception of SQLite leaves this file.
#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/fd.h"
#include "base/ids.h"
#include "base/log.h"
#include "control/catalog/catalog.h"
#include "control/catalog/catalog_digest.h"
#include "control/catalog/catalog_errors.h"
#include "control/catalog/catalog_schema.h"
#include "control/catalog/catalog_seals.h"
#include "host/local_file_system.h"
#include "io/folder.h"

namespace blkrewind::control {
namespace {

constexpr int kApplicationId = 0x626C6B72;  // "blkr"; PRAGMA application_id, as file(1) shows it

Result<bool> file_is_there(const std::string& path) {
  if (path == ":memory:") return false;
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(system_error(errno, "cannot find the catalog " + path));
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

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// The path of the directory may contain links, names in it may not be links.
std::string without_links(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> folder(::realpath(folder_of(path).c_str(), nullptr),
                                                      std::free);
  if (!folder) return path;
  return std::string(folder.get()) + "/" + name_of(path);
}

// Before anything reads the file, and so opens its log: SQLite locks the file for as long as it is
// in this mode, exclusively if there is a log, which then needs no shared memory
// (https://www.sqlite.org/wal.html#noshm).
constexpr const char* kWithoutSharedMemory = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA mmap_size=0;";

// `first`: statements that come before all others.
std::unique_ptr<SQLite::Database> connect(const std::string& name, int flags, StepLimit& limit,
                                          const char* first = "") {
  auto database = std::make_unique<SQLite::Database>(name, flags, kBusyTimeoutMs);
  limit.apply(*database);
  sqlite3_extended_result_codes(database->getHandle(), 1);
  database->exec(first);
  database->exec(
      "PRAGMA cache_size=-256; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; "
      "PRAGMA trusted_schema=OFF;");
  return database;
}

// The write-ahead log needs memory that all processes share, but those of other machines do not
// share it (https://www.sqlite.org/wal.html): they would overwrite each other's changes.
bool may_use_log(const std::string& path) {
  return path == ":memory:" || host::is_on_local_file_system(folder_of(path));
}

// With a rollback journal everything is done by locks and by reads of the file. A catalog that has
// a log is converted; this waits while another process has it open.
void use_rollback_journal(SQLite::Database& database) {
  const std::string mode = database.execAndGet("PRAGMA journal_mode=DELETE").getString();
  if (mode != "delete") throw SQLite::Exception("its log cannot be removed", SQLITE_BUSY);
  // Effective at the next access.
  database.exec(
      "PRAGMA synchronous=EXTRA; PRAGMA locking_mode=NORMAL; SELECT count(*) FROM sqlite_master");
}

std::unique_ptr<SQLite::Database> connect_for_changes(const std::string& path, StepLimit& limit) {
  if (path == ":memory:") {
    return connect(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, limit);
  }
  const bool log = may_use_log(path);
  auto database = connect(without_links(path), SQLite::OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, limit,
                          log ? "" : kWithoutSharedMemory);
  if (!log) use_rollback_journal(*database);
  return database;
}

// https://www.sqlite.org/uri.html
std::string uri_of(const std::string& path, const char* parameters) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string uri = "file:";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) != 0 || c == '/' || c == '.' || c == '-' || c == '_';
    if (plain) {
      uri += c;
    } else {
      uri += {'%', kHex[byte / 16], kHex[byte % 16]};
    }
  }
  return uri + parameters;
}

bool holds_bytes(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_size != 0;
}

bool may_be_unwritable(const Error& error) {
  return error.code == Errc::kIo || error.code == Errc::kNoSpace;
}

int pragma(SQLite::Database& database, const char* text) {
  return database.execAndGet(text).getInt();
}

Status refuse_newer(const std::string& path, int version) {
  if (version <= kCatalogVersion) return {};
  return fail(Errc::kUnsupported,
              "the catalog " + path + " is of version " + std::to_string(version) +
                  "; this program supports versions up to " + std::to_string(kCatalogVersion),
              "use a newer blkrewind");
}

void make_schema(SQLite::Database& database, const std::string& path) {
  // Not possible inside a transaction, and not serious if another process prevents it: the catalog
  // also works with a rollback journal.
  if (may_use_log(path) && database.tryExec("PRAGMA journal_mode=WAL") != SQLite::OK) {
    log::warning("the catalog " + path + " keeps a rollback journal");
  }
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  if (pragma(database, "PRAGMA user_version") == 0) {  // otherwise another process was first
    make_tables(database, kCatalogVersion);
    Seals(database).make();
    database.exec("PRAGMA application_id=" + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version=" + std::to_string(kCatalogVersion));
  }
  transaction.commit();
}

// If a catalog was moved away, its log may have been left behind, and SQLite would apply it to the
// next file of that name. The lock ensures that it is not the log of a catalog that another process
// has just created.
Status give_name(const std::string& temporary, const std::string& path) {
  const UniqueFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || flock(folder.get(), LOCK_EX) != 0) {
    return fail(system_error(errno, "cannot lock the directory " + folder_of(path)));
  }
  BLKREWIND_ASSIGN(const bool there, file_is_there(path));
  if (there) return {};
  for (const char* suffix : {"-wal", "-shm", "-journal"}) unlink((path + suffix).c_str());
  // The file never has two names, because another process opening it at that moment would refuse
  // it, unless the file system has no other way; then as briefly as possible.
  if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0 ||
      errno == EEXIST) {
    return {};
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return fail(system_error(errno, "cannot create the catalog " + path));
  }
  const int linked = link(temporary.c_str(), path.c_str());
  const int error = errno;
  unlink(temporary.c_str());
  if (linked != 0 && error != EEXIST) {
    return fail(system_error(error, "cannot create the catalog " + path));
  }
  return {};
}

// The complete catalog, including the schema, is created under a temporary name and then renamed:
// an empty file is therefore damage, never an unfinished catalog. Mode 0600 (SQLite would use the
// umask). SQLite locks by fcntl(2), and closing any descriptor of a file releases those locks for
// the whole process, so nothing here opens the file once it has its name.
Status make_file(const std::string& path) {
  const std::string temporary = path + "." + new_id("new-");
  {
    const auto folder = io::Folder::open(folder_of(path));
    // Closed before SQLite opens it. SQLite chowns the log and the shared memory to its owner.
    const auto file = folder.and_then([&](const io::Folder& opened) {
      return opened.open_file(name_of(temporary), O_WRONLY | O_CREAT | O_EXCL);
    });
    if (!file) {
      Error error = file.error();
      error.message = "cannot create the catalog " + path + ": " + error.message;
      return fail(std::move(error));
    }
  }
  const std::unique_ptr<SQLite::Database> none;
  StepLimit limit;
  Status made = guarded(path, none, [&]() -> Status {
    const auto database = connect_for_changes(temporary, limit);
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
  BLKREWIND_TRY(refuse_newer(path_, version));
  const bool empty = pragma(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (version == 0 && empty) return fail(damaged_catalog(path_, "it is empty"));
  if (version < 1 || pragma(database, "PRAGMA application_id") != kApplicationId) {
    return fail(damaged_catalog(path_, "it is the database of another program"));
  }
  if (const std::string fault = schema_fault(database, version); !fault.empty()) {
    return fail(damaged_catalog(path_, fault));
  }
  // The full check, including the indices: a row that is missing in its index is not found.
  const std::string check = database.execAndGet("PRAGMA integrity_check(1)").getString();
  if (check != "ok") return fail(damaged_catalog(path_, check));
  SQLite::Transaction transaction(database);
  return check_content();
}

Status Catalog::upgrade() {
  const int version = pragma(*database_, "PRAGMA user_version");
  if (version < 2) add_tables_of_version2(*database_);
  if (version < 3) add_tables_of_version3(*database_);
  if (version < 4) {
    add_tables_of_version4(*database_);
    database_->exec("PRAGMA user_version=4");
    seals_->make();
  }
  if (version < 5 && !has_old_rows(*database_)) seals_->drop_old_tables();
  return {};
}

Status Catalog::check_content() {
  const int format = pragma(*database_, "PRAGMA user_version");
  BLKREWIND_TRY(refuse_newer(path_, format));
  if (format >= 4) {
    // Not at the first look only: another process may have upgraded it.
    if (!seals_->loaded()) seals_->load();
    return {};
  }
  seals_->unload();  // an upgrade was rolled back
  // Differs after another process has changed something.
  const int version = pragma(*database_, "PRAGMA data_version");
  if (checked_version_ == version) return {};
  if (!content_digest_matches(*database_)) {
    return fail(damaged_catalog(path_, "its content does not match its digest"));
  }
  if (const std::string fault = row_fault(*database_); !fault.empty()) {
    return fail(damaged_catalog(path_, fault));
  }
  checked_version_ = version;
  return {};
}

std::uint64_t Catalog::digested_rows() {
  const std::lock_guard<std::mutex> guard(mutex_);
  return seals_ ? seals_->digested() : 0;
}

void Catalog::leave_if_moved() {
  if (!database_ || path_ == ":memory:") return;
  // https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlhasmoved
  int moved = 0;
  const int asked = sqlite3_file_control(database_->getHandle(), nullptr, SQLITE_FCNTL_HAS_MOVED,
                                         static_cast<void*>(&moved));
  if (asked != SQLITE_OK || moved == 0) return;
  // Its last connection would remove the log by name, which may belong to a new catalog by now.
  sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  log::warning("the catalog " + path_ + " was moved away or replaced");
  close();
}

void Catalog::close() {
  seals_.reset();
  database_.reset();
  only_reads_.reset();
  checked_version_.reset();
}

Status Catalog::open_with(const std::function<std::unique_ptr<SQLite::Database>()>& connect) {
  Status opened = guarded(path_, database_, [&]() -> Status {
    database_ = connect();
    seals_ = std::make_unique<Seals>(*database_);
    return check_version();
  });
  if (!opened) close();
  return opened;
}

Status Catalog::open_if_there() {
  leave_if_moved();
  if (database_) return {};
  if (path_ == ":memory:") return {};
  auto folder = io::Folder::open(folder_of(path_));
  if (!folder && folder.error().code == Errc::kNotFound) return {};
  if (!folder) return fail(std::move(folder).error());
  BLKREWIND_ASSIGN(const bool there, judge_catalog_files(*folder, name_of(path_)));
  if (!there) return {};
  Status opened = open_with([this] { return connect_for_changes(path_, steps_); });
  if (!opened && opened.error().code == Errc::kBusy && !may_use_log(path_) &&
      file_is_there(path_ + "-wal").value_or(false)) {
    Error error = opened.error();
    error.message += ", with a log that other machines cannot share";
    error.remedy = Remedy("stop what uses the store, on every machine")
                       .because("the next command then replaces the log by a rollback journal");
    return fail(std::move(error));
  }
  if (opened || !may_be_unwritable(opened.error())) return opened;
  return open_to_read(opened.error());
}

// https://www.sqlite.org/wal.html#readonly. "immutable" ignores the log: only if that is empty.
// Where the log may not be used, a catalog with a rollback journal is read under its lock; one with
// a log is not, because its lock would have to be exclusive.
Status Catalog::open_to_read(Error why) {
  close();
  const bool has_log = holds_bytes(path_ + "-wal") || holds_bytes(path_ + "-journal");
  const auto open_as = [&](const char* parameters, bool shares_memory) {
    return open_with([&] {
      return connect(uri_of(without_links(path_), parameters),
                     SQLite::OPEN_READONLY | SQLite::OPEN_URI | SQLITE_OPEN_NOFOLLOW, steps_,
                     shares_memory ? "" : kWithoutSharedMemory);
    });
  };
  const bool local = may_use_log(path_);
  Status opened = local ? Status{} : open_as("?mode=ro", false);
  if (local || (!opened && !has_log && may_be_unwritable(opened.error()))) {
    opened = open_as(has_log ? "?mode=ro&readonly_shm=1" : "?mode=ro&immutable=1", true);
  }
  if (opened) {
    only_reads_ = std::move(why);
    return opened;
  }
  if (!may_be_unwritable(opened.error())) return opened;
  if (has_log) {
    why.remedy =
        Remedy("make the store writable once")
            .and_then({Verb::kInstanceShow, "open the catalog"})
            .because("a process that used it was interrupted, and its last changes are in " +
                     path_ + "-wal");
  }
  return fail(std::move(why));
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
    database_ = connect_for_changes(path_, steps_);
    make_schema(*database_, path_);
    seals_ = std::make_unique<Seals>(*database_);
    return check_version();
  });
}

Status Catalog::begin_view(std::unique_ptr<SQLite::Transaction>& view) {
  BLKREWIND_TRY(open_if_there());
  if (!database_) return {};
  return guarded(path_, database_, [&]() -> Status {
    view = std::make_unique<SQLite::Transaction>(*database_);
    return check_content();
  });
}

Status Catalog::read(const std::function<void(SQLite::Database&)>& body) {
  const std::lock_guard<std::mutex> guard(mutex_);
  steps_.restart();
  std::unique_ptr<SQLite::Transaction> view;
  Status begun = begin_view(view);
  // A file that was opened before the file system was full, or that another process changed while
  // it was read without a lock.
  constexpr int kLooks = 3;
  std::optional<Error> reason = only_reads_;
  for (int look = 1; !begun && look < kLooks; ++look) {
    const bool torn = reason && begun.error().code == Errc::kIntegrity;
    if (!torn && (reason || !may_be_unwritable(begun.error()))) break;
    if (!reason) reason = begun.error();
    view.reset();
    begun = open_to_read(*reason);
    if (begun) begun = begin_view(view);
  }
  if (begun && database_) {
    // Rolled back at its end, because nothing was changed.
    begun = guarded(path_, database_, [&]() -> Status {
      body(*database_);
      return {};
    });
  }
  view.reset();
  // After damage the next use verifies everything.
  const bool damage = !begun && begun.error().code == Errc::kIntegrity && path_ != ":memory:";
  if (only_reads_ || damage) close();
  return begun;
}

Status Catalog::change(const std::function<Status(SQLite::Database&)>& body) {
  const std::lock_guard<std::mutex> guard(mutex_);
  steps_.restart();
  BLKREWIND_TRY(open_or_make());
  if (only_reads_) {
    Error error = *std::exchange(only_reads_, std::nullopt);
    close();
    if (error.code == Errc::kNoSpace) {
      error.remedy = Remedy("make room on the file system of the store")
                         .or_else({Verb::kDelete,
                                   "delete snapshots, which needs none",
                                   {{Parameter::kSnapshot, {}}}});
    } else {
      error.message = "the store is read-only: " + error.message;
      error.remedy =
          Remedy("make the store writable to change it").because("it can be read as it is");
    }
    return fail(std::move(error));
  }
  Status changed = guarded(path_, database_, [&]() -> Status {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    BLKREWIND_TRY(check_content());
    BLKREWIND_TRY(upgrade());
    seals_->guard();
    BLKREWIND_TRY(body(*database_));
    transaction.commit();
    return {};
  });
  // It was opened while it could not be written, and the next read tries again; or it is damaged,
  // and the next use verifies everything.
  if (!changed && (may_be_unwritable(changed.error()) ||
                   (path_ != ":memory:" && changed.error().code == Errc::kIntegrity))) {
    close();
  }
  return changed;
}

}  // namespace blkrewind::control
