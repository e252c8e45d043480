#include "control/catalog/catalog_creation.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/ids.h"
#include "control/catalog/catalog.h"
#include "control/catalog/catalog_connections.h"
#include "control/catalog/catalog_errors.h"
#include "control/catalog/catalog_schema.h"
#include "control/catalog/catalog_seals.h"
#include "io/file_lock.h"
#include "io/folder.h"

namespace blkrewind::control {
namespace {

constexpr const char* kSuffixes[] = {"-journal", "-wal", "-shm"};

// The first byte of SQLite's shared lock (https://www.sqlite.org/src/file/src/os.h, SHARED_FIRST):
// earlier versions made the file by a connection, which held it.
constexpr std::uint64_t kOwnerByte = 0x40000002;

Result<std::unique_ptr<io::Lock>> lock_owner_byte(const io::Folder& folder,
                                                  const std::string& name) {
  BLKREWIND_ASSIGN(UniqueFd fd, folder.open_file(name, O_RDWR));
  return io::lock_byte(std::move(fd), folder.path() + "/" + name, kOwnerByte,
                       io::LockMode::kExclusive, false);
}

Result<std::string> content_of_new() {
  std::string content;
  const std::unique_ptr<SQLite::Database> none;
  BLKREWIND_TRY(guarded(":memory:", none, [&]() -> Status {
    StepLimit limit;
    const auto database = connect(":memory:", limit);
    make_catalog(*database);
    sqlite3_int64 size = 0;
    const std::unique_ptr<unsigned char, void (*)(void*)> bytes(
        sqlite3_serialize(database->getHandle(), "main", &size, 0), sqlite3_free);
    if (!bytes) throw std::bad_alloc();
    content.assign(bytes.get(), bytes.get() + size);
    return {};
  }));
  return content;
}

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return fail(system_error(written < 0 ? errno : EIO, "cannot write the catalog " + path));
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return fail(system_error(errno, "cannot flush the catalog " + path));
  return {};
}

// Mode 0600. SQLite locks by fcntl(2), and closing any descriptor of a file releases those locks
// for the whole process, so every descriptor is closed before the file has its name.
Status write_file(const io::Folder& folder, const std::string& name, const std::string& path) {
  BLKREWIND_ASSIGN(const std::string content, content_of_new());
  BLKREWIND_ASSIGN(const UniqueFd file, folder.open_file(name, O_WRONLY | O_CREAT | O_EXCL));
  BLKREWIND_ASSIGN(const auto owner, lock_owner_byte(folder, name));
  return write_all(file.get(), content, path);
}

// If a catalog was moved away, its journal may have been left behind, and SQLite would apply it to
// the next file of that name.
Status give_name(const io::Folder& folder, const std::string& temporary, const std::string& path) {
  const std::string name = name_of(path);
  for (const char* suffix : kSuffixes) ::unlinkat(folder.fd(), (name + suffix).c_str(), 0);
  // The file never has two names, because another process opening it at that moment would refuse
  // it, unless the file system has no other way; then as briefly as possible.
  if (::renameat2(folder.fd(), temporary.c_str(), folder.fd(), name.c_str(), RENAME_NOREPLACE) ==
      0) {
    return {};
  }
  int error = errno;
  if (error == EINVAL || error == ENOSYS) {
    error = ::linkat(folder.fd(), temporary.c_str(), folder.fd(), name.c_str(), 0) == 0 ? 0 : errno;
    ::unlinkat(folder.fd(), temporary.c_str(), 0);
  }
  if (error == 0 || error == EEXIST) return {};
  return fail(system_error(error, "cannot create the catalog " + path));
}

// Those whose process is gone. Earlier versions left their logs beside them.
void remove_leftovers(const io::Folder& folder, const std::string& prefix) {
  auto opened = folder.open_folder("");
  if (!opened) return;
  const auto names = io::names_in(std::move(*opened), folder.path());
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix)) continue;
    std::string file = name;
    for (const std::string_view suffix : kSuffixes) {
      if (file.ends_with(suffix)) file.resize(file.size() - suffix.size());
    }
    const auto owner = lock_owner_byte(folder, file);
    const bool gone = owner ? *owner != nullptr : owner.error().code == Errc::kNotFound;
    if (gone) ::unlinkat(folder.fd(), name.c_str(), 0);
  }
}

// One process at a time: it must not take the file of another one for what is left over, nor the
// journal of its catalog. On a network file system the lock may not count between machines: where
// the other one was in the way, again.
Status create_in(const io::Folder& folder, const std::string& path) {
  constexpr int kAttempts = 3;
  BLKREWIND_ASSIGN(const UniqueFd locked, folder.open_folder(""));
  if (flock(locked.get(), LOCK_EX) != 0) {
    return fail(system_error(errno, "cannot lock the directory " + folder.path()));
  }
  const std::string prefix = name_of(path) + ".new-";
  for (int attempt = 1;; ++attempt) {
    BLKREWIND_ASSIGN(const bool there, folder.judge(name_of(path)));
    if (there) return {};
    const std::string temporary = name_of(path) + "." + new_id("new-");
    Status made = write_file(folder, temporary, path);
    if (made) made = give_name(folder, temporary, path);
    ::unlinkat(folder.fd(), temporary.c_str(), 0);
    if (made) break;
    if (made.error().code != Errc::kNotFound || attempt == kAttempts) return made;
  }
  if (::fsync(folder.fd()) != 0) {
    return fail(system_error(errno, "cannot flush the directory " + folder.path()));
  }
  remove_leftovers(folder, prefix);
  return {};
}

}  // namespace

void make_catalog(SQLite::Database& database) {
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  make_tables(database, kCatalogVersion);
  Seals(database).make();
  database.exec("PRAGMA application_id=" + std::to_string(kCatalogApplicationId));
  database.exec("PRAGMA user_version=" + std::to_string(kCatalogVersion));
  transaction.commit();
}

Status make_catalog_file(const std::string& path) {
  Status made = io::Folder::open(folder_of(path)).and_then([&](const io::Folder& folder) -> Status {
    return create_in(folder, path);
  });
  if (made) return {};
  Error error = std::move(made).error();
  error.message = "cannot create the catalog " + path + ": " + error.message;
  return fail(std::move(error));
}

}  // namespace blkrewind::control
