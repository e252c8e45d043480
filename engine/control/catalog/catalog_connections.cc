#include "control/catalog/catalog_connections.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "control/catalog/catalog.h"

namespace blkrewind::control {
namespace {

// In this mode SQLite locks the file for as long as it is open, exclusively if there is a log, of
// which the index is then in memory of the process (https://www.sqlite.org/wal.html#noshm).
constexpr const char* kIndexInMemory = "PRAGMA locking_mode=EXCLUSIVE";

// The path of the directory may contain links, names in it may not be links.
std::string without_links(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> folder(::realpath(folder_of(path).c_str(), nullptr),
                                                      std::free);
  if (!folder) return path;
  return std::string(folder.get()) + "/" + name_of(path);
}

// Reads nothing yet.
std::unique_ptr<SQLite::Database> open_file(const std::string& name, int flags, StepLimit& limit) {
  auto database = std::make_unique<SQLite::Database>(name, flags, kBusyTimeoutMs);
  limit.apply(*database);
  sqlite3_extended_result_codes(database->getHandle(), 1);
  return database;
}

std::unique_ptr<SQLite::Database> open_writable(const std::string& path, StepLimit& limit) {
  return open_file(without_links(path), SQLite::OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, limit);
}

// SYNCHRONOUS=EXTRA: a change is durable when it returns, since the removal of its journal is.
void set_up(SQLite::Database& database) {
  database.exec(
      "PRAGMA mmap_size=0; PRAGMA cache_size=-256; PRAGMA synchronous=EXTRA; "
      "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;");
}

// By the header (https://www.sqlite.org/fileformat2.html), since every statement would open the log
// and map its index; and by SQLite's own descriptor, since closing another one would release the
// locks of this process.
bool has_log(SQLite::Database& database) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_FILE_POINTER,
                       static_cast<void*>(&file));
  if (file == nullptr || file->pMethods == nullptr) return false;
  std::array<unsigned char, 20> header{};
  const int read = file->pMethods->xRead(file, header.data(), header.size(), 0);
  return read == SQLITE_OK && header[19] == 2;
}

// Without a file for the journal: the header is one sector, which is old or new after a crash.
bool replaced_log(SQLite::Database& database) {
  database.exec(kIndexInMemory);
  return database.execAndGet("PRAGMA journal_mode=MEMORY").getString() == "memory";
}

bool holds_bytes(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_size != 0;
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

}  // namespace

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

Status replace_log(const std::string& path, StepLimit& limit, int wait_ms) {
  // Two that wait with their locks held would wait for each other, so each closes the file first.
  std::minstd_rand random(std::random_device{}());
  const auto last = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  for (;;) {
    try {
      const auto database = open_writable(path, limit);
      if (!has_log(*database)) return {};
      database->setBusyTimeout(0);
      if (replaced_log(*database)) {
        ::unlink((path + "-shm").c_str());  // the index, where a process was interrupted
        return {};
      }
    } catch (const SQLite::Exception& exception) {
      if ((exception.getErrorCode() & 0xFF) != SQLITE_BUSY) throw;
    }
    if (std::chrono::steady_clock::now() >= last) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + random() % 40));
  }
  return fail(Errc::kBusy,
              "the catalog " + path +
                  " has a write-ahead log, as of an earlier version, and another process uses it",
              Remedy("stop what uses the store, on every machine")
                  .because("the next command then replaces the log by a rollback journal"));
}

std::unique_ptr<SQLite::Database> connect(const std::string& path, StepLimit& limit) {
  auto database = path == ":memory:"
                      ? open_file(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, limit)
                      : open_writable(path, limit);
  set_up(*database);
  return database;
}

// "immutable" ignores the log, so only without one; "unix-none" takes no locks.
std::unique_ptr<SQLite::Database> connect_without_locks(const std::string& path, StepLimit& limit) {
  const bool log = holds_bytes(path + "-wal");
  auto database = open_file(
      uri_of(without_links(path), log ? "?mode=ro&vfs=unix-none" : "?mode=ro&immutable=1"),
      SQLite::OPEN_READONLY | SQLite::OPEN_URI | SQLITE_OPEN_NOFOLLOW, limit);
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database->exec(kIndexInMemory);
  set_up(*database);
  return database;
}

bool has_journal(const std::string& path) { return holds_bytes(path + "-journal"); }

}  // namespace blkrewind::control
