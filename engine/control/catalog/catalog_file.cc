// The catalog as a file: opened, verified, read and changed; no exception of SQLite leaves this
// file.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <utility>

#include "base/log.h"
#include "control/catalog/catalog.h"
#include "control/catalog/catalog_connections.h"
#include "control/catalog/catalog_creation.h"
#include "control/catalog/catalog_digest.h"
#include "control/catalog/catalog_errors.h"
#include "control/catalog/catalog_schema.h"
#include "control/catalog/catalog_seals.h"
#include "io/folder.h"

namespace blkrewind::control {
namespace {

bool is_of_file_system(const Error& error) {
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

// The error of a change that was not possible, with what to do.
Error not_changed(Error error) {
  if (error.code == Errc::kNoSpace) {
    error.remedy = Remedy("make room on the file system of the store")
                       .or_else({Verb::kDelete,
                                 "delete snapshots, which needs none",
                                 {{Parameter::kSnapshot, {}}}});
  }
  return error;
}

}  // namespace

Catalog::Catalog(std::string path) : path_(std::move(path)) {}
Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(std::string path) {
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(path)));
  BLKREWIND_TRY(catalog->open_if_there(0));
  if (catalog->unlocked_) catalog->close();
  return catalog;
}

Status Catalog::check_version() {
  SQLite::Database& database = *database_;
  SQLite::Transaction transaction(database);  // another process may upgrade it meanwhile
  const int version = pragma(database, "PRAGMA user_version");
  BLKREWIND_TRY(refuse_newer(path_, version));
  const bool empty = pragma(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (version == 0 && empty) return fail(damaged_catalog(path_, "it is empty"));
  if (version < 1 || pragma(database, "PRAGMA application_id") != kCatalogApplicationId) {
    return fail(damaged_catalog(path_, "it is the database of another program"));
  }
  if (const std::string fault = schema_fault(database, version); !fault.empty()) {
    return fail(damaged_catalog(path_, fault));
  }
  // The full check, including the indices: a row that is missing in its index is not found.
  const std::string check = database.execAndGet("PRAGMA integrity_check(1)").getString();
  if (check != "ok") return fail(damaged_catalog(path_, check));
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
  log::warning("the catalog " + path_ + " was moved away or replaced");
  close();
}

void Catalog::close() {
  seals_.reset();
  database_.reset();
  unlocked_.reset();
  checked_version_.reset();
}

Status Catalog::open_with(Connect* connect) {
  Status opened = guarded(path_, database_, [&]() -> Status {
    database_ = connect(path_, steps_);
    seals_ = std::make_unique<Seals>(*database_);
    return check_version();
  });
  if (!opened) close();
  return opened;
}

Status Catalog::open_if_there(int wait_ms) {
  leave_if_moved();
  if (database_) return {};
  if (path_ == ":memory:") return {};
  auto folder = io::Folder::open(folder_of(path_));
  if (!folder && folder.error().code == Errc::kNotFound) return {};
  if (!folder) return fail(std::move(folder).error());
  BLKREWIND_ASSIGN(const bool there, judge_catalog_files(*folder, name_of(path_)));
  if (!there) return {};
  constexpr int kLooks = 3;
  for (int look = 1;; ++look) {
    const Status replaced =
        guarded(path_, database_, [&] { return replace_log(path_, steps_, wait_ms); });
    Status opened = replaced ? open_with(connect) : replaced;
    if (opened || (replaced && !is_of_file_system(opened.error()))) return opened;
    const Error why = std::move(opened).error();
    opened = open_without_locks(why);
    if (opened || opened.error().code != Errc::kIntegrity) return opened;
    // What another process changes meanwhile looks like damage.
    if (look == kLooks) return why.code == Errc::kBusy ? fail(why) : opened;
  }
}

Status Catalog::open_without_locks(Error why) {
  if (has_journal(path_)) {
    why.remedy = Remedy("make the store writable, with room on its file system, once")
                     .and_then({Verb::kInstanceShow, "open the catalog"})
                     .because(
                         "a process that changed it was interrupted, and what it has replaced "
                         "is in " +
                         path_ + "-journal");
    return fail(std::move(why));
  }
  Status opened = open_with(connect_without_locks);
  if (!opened && is_of_file_system(opened.error())) return fail(std::move(why));
  if (opened) unlocked_ = std::move(why);
  return opened;
}

Status Catalog::open_or_make() {
  BLKREWIND_TRY(open_if_there(kBusyTimeoutMs));
  if (!database_ && path_ != ":memory:") {
    BLKREWIND_TRY(make_catalog_file(path_));
    BLKREWIND_TRY(open_if_there(kBusyTimeoutMs));
  }
  if (database_) return {};
  return guarded(path_, database_, [this]() -> Status {
    database_ = connect(path_, steps_);
    make_catalog(*database_);
    seals_ = std::make_unique<Seals>(*database_);
    return check_version();
  });
}

Status Catalog::begin_view(std::unique_ptr<SQLite::Transaction>& view) {
  BLKREWIND_TRY(open_if_there(0));
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
  Status done = begin_view(view);
  if (done && database_) {
    // Rolled back at its end, because nothing was changed.
    done = guarded(path_, database_, [&]() -> Status {
      body(*database_);
      return {};
    });
  }
  view.reset();
  const bool damage = !done && done.error().code == Errc::kIntegrity;
  if (damage && unlocked_ && unlocked_->code == Errc::kBusy) done = fail(*unlocked_);
  close_after(done);
  return done;
}

Status Catalog::change(const std::function<Status(SQLite::Database&)>& body) {
  const std::lock_guard<std::mutex> guard(mutex_);
  steps_.restart();
  // It may be writable by now.
  if (database_ && sqlite3_db_readonly(database_->getHandle(), "main") == 1) close();
  Status changed = open_or_make();
  if (changed && unlocked_) changed = fail(*unlocked_);
  if (changed) {
    changed = guarded(path_, database_, [&]() -> Status {
      SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
      BLKREWIND_TRY(check_content());
      BLKREWIND_TRY(upgrade());
      seals_->guard();
      BLKREWIND_TRY(body(*database_));
      transaction.commit();
      return {};
    });
  }
  close_after(changed);
  if (changed) return {};
  return fail(not_changed(std::move(changed).error()));
}

// After damage the next use verifies everything; after an error of the file system it opens the
// file again, which completes or undoes what was begun.
void Catalog::close_after(const Status& done) {
  const bool doubtful =
      !done && (done.error().code == Errc::kIntegrity || is_of_file_system(done.error()));
  if (path_ != ":memory:" && (doubtful || unlocked_)) close();
}

}  // namespace blkrewind::control
