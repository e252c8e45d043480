// A catalog in a temporary directory.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "control/catalog/catalog.h"
#include "control/catalog/catalog_seals.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::control {

class CatalogTest : public testing::Test {
 protected:
  // If this fails, the test has failed; it continues with a catalog without rows.
  std::unique_ptr<Catalog> open() {
    auto catalog = Catalog::open(path_);
    if (catalog) return std::move(*catalog);
    ADD_FAILURE() << catalog.error().to_string();
    return std::move(Catalog::open(":memory:").value());
  }
  Error open_error() {
    auto catalog = Catalog::open(path_);
    EXPECT_FALSE(catalog);
    return catalog ? Error{} : catalog.error();
  }

  test::TempDir directory_;
  std::string path_ = directory_.file("catalog.db");
};

using test::ok;

// A process makes this change, and is killed before it is committed: the file has it, and its
// journal what it replaced.
inline void leave_journal(const std::string& path, const std::string& statement) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    SQLite::Database database(path, SQLite::OPEN_READWRITE);
    database.exec("BEGIN IMMEDIATE; " + statement);
    if (sqlite3_db_cacheflush(database.getHandle()) == SQLITE_OK) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_GT(std::filesystem::file_size(path + "-journal"), 0U);
}

// As a program of an earlier version that has it open: instances of these ids are in its log.
class EarlierProgram {
 public:
  EarlierProgram(const std::string& path, const std::vector<std::string>& ids)
      : database_(path, SQLite::OPEN_READWRITE) {
    if (database_.execAndGet("PRAGMA journal_mode=WAL").getString() != "wal") throw path;
    database_.exec("PRAGMA wal_autocheckpoint=0");
    Seals seals(database_);
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    seals.load();
    seals.guard();
    for (const std::string& id : ids) {
      database_.exec("INSERT INTO instances VALUES('" + id + "', '', 'Stopped', 0, 0, 1)");
      database_.exec("INSERT INTO instance_locks VALUES('" + id + "', 'security')");
    }
    transaction.commit();
  }

 private:
  SQLite::Database database_;
};

inline std::string journal_mode_of(const std::string& path) {
  return SQLite::Database(path).execAndGet("PRAGMA journal_mode").getString();
}

inline testing::AssertionResult refused_with(const Status& status, const std::string& api_code) {
  if (status) return testing::AssertionFailure() << "was not refused";
  if (api_of(status.error()) == api_code) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << api_of(status.error()) << ": " << status.error().to_string();
}

}  // namespace blkrewind::control
