// The catalog as a file: permissions, the state after a crash, and files that are not a catalog.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>
#include <vector>

#include "support/errors.h"
#include "support/golden_store.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

TEST_F(CatalogTest, IsMadeAtTheFirstChangeOnly) {
  auto catalog = open();
  auto rows = catalog->instances();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_TRUE(rows->front().is_local());
  EXPECT_EQ(*catalog->attachment("d-1"), std::nullopt);
  EXPECT_TRUE(ok(catalog->forget_disk("d-1")));
  EXPECT_FALSE(std::filesystem::exists(path_));

  ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 5)));
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  catalog.reset();
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    EXPECT_EQ(entry.path(), path_) << "a temporary file is left";
  }
}

TEST_F(CatalogTest, ModeDoesNotFollowTheUmask) {
  const mode_t before = umask(0);
  auto catalog = open();
  const Status made = catalog->create_instance("i-1", "", 1);
  umask(before);
  ASSERT_TRUE(ok(made));
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat status {};
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0077U, 0U) << entry.path();
  }
}

// Moved away while a process has it open, as recommended for a damaged one; a journal stays.
TEST_F(CatalogTest, OneThatWasMovedAwayIsNotUsedAnyMore) {
  auto first = open();
  ASSERT_TRUE(ok(first->create_instance("i-old", "", 1)));
  auto idle = open();
  ASSERT_EQ(idle->instances()->size(), 2U);
  leave_journal(path_, "UPDATE instances SET name = 'half'");
  std::filesystem::rename(path_, path_ + ".away");
  auto second = open();
  ASSERT_TRUE(ok(second->create_instance("i-new", "", 2)));
  ASSERT_TRUE(ok(first->lock_instance("i-new", "security"))) << "it sees the new one";
  EXPECT_TRUE(second->instance("i-new")->value().has_lock(kSecurityLock));
  EXPECT_EQ(first->instances()->size(), 2U);
  idle.reset();
  ASSERT_TRUE(ok(second->create_instance("i-newer", "", 3)));
  EXPECT_EQ(open()->instances()->size(), 3U) << "closing the old one took nothing away";
}

TEST_F(CatalogTest, AnotherConnectionSeesWhatWasCommitted) {
  auto reader = open();
  auto writer = open();
  EXPECT_EQ(reader->instances()->size(), 1U);
  ASSERT_TRUE(ok(writer->create_instance("i-1", "", 1)));
  EXPECT_EQ(reader->instances()->size(), 2U) << "the file was made after the reader was opened";
  ASSERT_TRUE(ok(reader->create_instance("i-2", "", 2)));
  EXPECT_EQ(writer->instances()->size(), 3U);
}

TEST_F(CatalogTest, ReaderDoesNotWaitWhileAChangeIsMade) {
  auto reader = open();
  ASSERT_TRUE(ok(reader->create_instance("i-1", "", 1)));
  SQLite::Database other(path_, SQLite::OPEN_READWRITE);
  SQLite::Transaction writing(other, SQLite::TransactionBehavior::IMMEDIATE);
  other.exec("UPDATE instances SET name = 'changed' WHERE id = 'i-1'");
  const auto row = reader->instance("i-1");  // would fail after kBusyTimeoutMs if it waited
  ASSERT_TRUE(row) << row.error().to_string();
  EXPECT_EQ((*row)->name, "") << "and it sees what was committed";
}

// Several processes create the same and different instances at once, in a catalog that does not
// exist yet: each different one is created, and the common one by exactly one of them.
TEST_F(CatalogTest, SeveralProcessesMakeAndWriteOneCatalog) {
  constexpr int kProcesses = 4;
  constexpr int kEach = 10;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto catalog = Catalog::open(path_);
      if (!catalog) _exit(100);
      for (int i = 0; i < kEach; ++i) {
        const std::string id = "i-" + std::to_string(process) + "x" + std::to_string(i);
        if (const Status made = (*catalog)->create_instance(id, "", i); !made) {
          std::cerr << made.error().to_string() << std::endl;
          _exit(101);
        }
      }
      _exit((*catalog)->create_instance("i-common", "", 1) ? 0 : 1);
    }
    children.push_back(child);
  }
  int winners = 0;
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_LE(WEXITSTATUS(status), 1);
    if (WEXITSTATUS(status) == 0) ++winners;
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(open()->instances()->size(), 2U + kProcesses * kEach);
}

TEST_F(CatalogTest, ThreadsShareOneConnection) {
  auto catalog = open();
  std::vector<std::thread> threads;
  std::atomic<int> made = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 10; ++i) {
        const std::string id = "i-" + std::to_string(thread) + "x" + std::to_string(i);
        if (catalog->create_instance(id, "", i) && catalog->instance(id)) ++made;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 40);
  EXPECT_EQ(catalog->instances()->size(), 41U);
}

TEST_F(CatalogTest, ProcessKilledInsideAChangeLeavesItOut) {
  { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
  leave_journal(path_, "UPDATE instances SET name = 'half'");
  auto catalog = open();
  EXPECT_EQ((*catalog->instance("i-1"))->name, "");
  EXPECT_TRUE(ok(catalog->create_instance("i-2", "", 2)));
  EXPECT_FALSE(std::filesystem::exists(path_ + "-journal"));
}

TEST_F(CatalogTest, NewerVersionIsRefused) {
  { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec("PRAGMA user_version=" + std::to_string(kCatalogVersion + 1));
  }
  const Error error = open_error();
  EXPECT_EQ(error.code, Errc::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr(path_));
  EXPECT_THAT(words_of(error), HasSubstr("newer"));
}

TEST_F(CatalogTest, GarbageIsReportedAsDamageAndKept) {
  { std::ofstream(path_) << std::string(8192, 'x'); }
  const Error error = open_error();
  EXPECT_EQ(error.code, Errc::kIntegrity);
  EXPECT_THAT(error.message, HasSubstr(path_));
  EXPECT_FALSE(words_of(error).empty());
  EXPECT_EQ(std::filesystem::file_size(path_), 8192U);
}

TEST_F(CatalogTest, DamagedPageIsReported) {
  {
    auto catalog = open();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(ok(catalog->create_instance("i-" + std::to_string(i), "some name", i)));
    }
  }
  const std::uint64_t size = std::filesystem::file_size(path_);
  ASSERT_GT(size, 3U * 4096U);
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t page = 4096; page < size; page += 4096) {
      file.seekp(static_cast<std::streamoff>(page));
      file << std::string(64, '\xA5');
    }
  }
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

// Undetected by SQLite: a letter of a lock's reason has changed.
TEST_F(CatalogTest, RowsThatBlkrewindDidNotWriteAreDamage) {
  int count = 0;
  for (const char* change :
       {"UPDATE instance_locks SET reason = 'sEcurity'",
        "UPDATE instance_locks SET instance_id = 'i-2'", "UPDATE disks SET instance_id = ''",
        "DELETE FROM instances", "UPDATE seal_sums SET number = number + 1 WHERE kind = 1",
        "DELETE FROM seals", "DELETE FROM seal_sums", "DELETE FROM seal_secret",
        "INSERT INTO content_digest VALUES(1)"}) {
    path_ = directory_.file("catalog" + std::to_string(count++) + ".db");
    {
      auto catalog = open();
      ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
      ASSERT_TRUE(ok(catalog->detach("d-1", 1, 2, 1)));
      ASSERT_TRUE(ok(catalog->attach("d-1", "i-1", 3)));
      ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
    }
    ASSERT_TRUE(open()) << "and nothing else is";
    { SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(change); }
    EXPECT_EQ(open_error().code, Errc::kIntegrity) << change;
  }
}

TEST_F(CatalogTest, DamageMeanwhileIsNotSealed) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->lock_instance("i-local", "security")));
  { SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("DELETE FROM instance_locks"); }
  const auto row = catalog->instance("i-local");
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code, Errc::kIntegrity);
  EXPECT_EQ(catalog->create_instance("i-1", "", 1).error().code, Errc::kIntegrity);
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

TEST_F(CatalogTest, OtherTablesAreDamage) {
  int count = 0;
  for (const char* change : {"ALTER TABLE instances RENAME COLUMN status TO statuz",
                             "ALTER TABLE disks RENAME TO diskz", "DROP TABLE instance_locks"}) {
    path_ = directory_.file("catalog" + std::to_string(count++) + ".db");
    { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
    { SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(change); }
    // Before any of them is read.
    const Error error = open_error();
    EXPECT_EQ(error.code, Errc::kIntegrity) << error.to_string();
  }
}

// Of version 1, from before the digest.
TEST_F(CatalogTest, OneWithoutADigestIsAcceptedAndGetsSeals) {
  std::filesystem::copy_file(std::filesystem::path(test::golden_folder()) / "store" / "catalog.db",
                             path_);
  std::size_t instances = 0;
  {
    auto catalog = open();
    instances = catalog->instances()->size();
    ASSERT_TRUE(ok(catalog->create_instance("i-2", "", 2)));
  }
  EXPECT_EQ(open()->instances()->size(), instances + 1);
  { SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("UPDATE instances SET in_arrears = 1"); }
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

TEST_F(CatalogTest, TruncatedFileIsReported) {
  { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
  std::filesystem::resize_file(path_, 4096);
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

TEST_F(CatalogTest, AnotherProgramsDatabaseIsNotTouched) {
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("CREATE TABLE theirs(x)");
  }
  const auto size = std::filesystem::file_size(path_);
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
  EXPECT_EQ(std::filesystem::file_size(path_), size);
}

// A catalog is renamed into place when it is complete, so an empty one has lost its locks and
// attachments.
TEST_F(CatalogTest, EmptyFileIsDamage) {
  { std::ofstream file(path_); }
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
  EXPECT_EQ(std::filesystem::file_size(path_), 0U);
}

TEST_F(CatalogTest, NothingIsLeftBesideANewOne) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  catalog.reset();
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_EQ(names, std::vector<std::string>{"catalog.db"});
}

TEST_F(CatalogTest, DirectoryThatIsNotThereIsAnIoError) {
  path_ = directory_.file("missing/catalog.db");
  auto catalog = open();
  const Status made = catalog->create_instance("i-1", "", 1);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr(path_));
  EXPECT_EQ(made.error().sys_errno, ENOENT);
}

TEST_F(CatalogTest, InMemoryOneWorksAlike) {
  path_ = ":memory:";
  auto catalog = open();
  EXPECT_EQ(catalog->instances()->size(), 1U);
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  EXPECT_EQ(catalog->instances()->size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(":memory:"));
}

}  // namespace
}  // namespace blkrewind::control
