// One catalog, many processes: each waits for the others, and what an interrupted one has left is
// removed.
#include <fstream>
#include <future>
#include <memory>

#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

namespace fs = std::filesystem;

// Another program has locked it while a change and a read begin.
class LockedCatalog : public CatalogTest {
 protected:
  void SetUp() override {
    { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
    reader_ = open();
    writer_ = open();
    other_ = std::make_unique<SQLite::Database>(path_, SQLite::OPEN_READWRITE);
    locked_ =
        std::make_unique<SQLite::Transaction>(*other_, SQLite::TransactionBehavior::EXCLUSIVE);
    changed_ =
        std::async(std::launch::async, [this] { return writer_->create_instance("i-2", "", 2); });
  }

  std::unique_ptr<Catalog> reader_;
  std::unique_ptr<Catalog> writer_;
  std::unique_ptr<SQLite::Database> other_;
  std::unique_ptr<SQLite::Transaction> locked_;
  std::future<Status> changed_;
};

TEST_F(LockedCatalog, OneThatStaysLockedIsBusyAndNotDamaged) {
  const auto row = reader_->instance("i-1");
  const Status change = changed_.get();
  ASSERT_FALSE(row);
  ASSERT_FALSE(change);
  for (const Error& error : {row.error(), change.error()}) {
    EXPECT_EQ(error.code, Errc::kBusy) << error.to_string();
    EXPECT_FALSE(words_of(error).empty());
  }
  locked_->commit();
  EXPECT_TRUE(reader_->instance("i-1").value());
  EXPECT_TRUE(ok(writer_->create_instance("i-2", "", 2)));
}

TEST_F(LockedCatalog, BothWaitUntilItIsUnlocked) {
  auto row = std::async(std::launch::async, [this] { return reader_->instance("i-1"); });
  ::usleep(50'000);  // so that they wait; they end alike if they do not
  locked_->commit();
  EXPECT_TRUE(ok(changed_.get()));
  EXPECT_TRUE(row.get());
}

// Readers that never pause do not keep writers out, and see whole changes only.
TEST_F(CatalogTest, ProcessesCreateAndDeleteWhileOthersList) {
  { ASSERT_TRUE(ok(open()->create_instance("i-stays", "", 1))); }
  constexpr int kReaders = 3;
  constexpr int kWriters = 3;
  constexpr int kRounds = 10;
  const std::string end = directory_.file("end");
  std::vector<pid_t> readers;
  std::vector<pid_t> writers;
  for (int process = 0; process < kReaders + kWriters; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) {
      (process < kReaders ? readers : writers).push_back(child);
      continue;
    }
    if (process < kReaders) {
      while (!fs::exists(end)) {
        auto catalog = Catalog::open(path_);
        for (int look = 0; look < 10; ++look) {
          if (!catalog || !(*catalog)->instance("i-stays").value_or(std::nullopt)) ::_exit(1);
          const auto rows = (*catalog)->instances();
          if (!rows || rows->size() < 2 || rows->size() > 2 + kWriters) ::_exit(2);
        }
      }
      ::_exit(0);
    }
    const std::string id = "i-w" + std::to_string(process);
    for (int round = 0; round < kRounds; ++round) {
      auto catalog = Catalog::open(path_);
      if (!catalog || !(*catalog)->create_instance(id, "", 1)) ::_exit(3);
      if (!(*catalog)->delete_instance(id, {})) ::_exit(4);
    }
    ::_exit(0);
  }
  const auto expect_good_end = [](pid_t child) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << (WIFEXITED(status) ? WEXITSTATUS(status) : status);
  };
  for (const pid_t child : writers) expect_good_end(child);
  { const std::ofstream mark(end); }
  for (const pid_t child : readers) expect_good_end(child);
  EXPECT_EQ(open()->instances()->size(), 2U);
}

// Also those of earlier versions, which left logs beside them; but not one that is being made.
TEST_F(CatalogTest, LeftoversOfInterruptedCreationsAreRemoved) {
  for (const char* name : {"catalog.db.new-1", "catalog.db.new-1-wal", "catalog.db.new-2",
                           "catalog.db.new-3-journal", "catalog.db.of-another"}) {
    std::ofstream(directory_.file(name)) << "x";
    fs::permissions(directory_.file(name), fs::perms::owner_read | fs::perms::owner_write);
  }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string temporary = directory_.file("catalog.db.new-4");
    { const std::ofstream made(temporary); }
    fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write);
    SQLite::Database database(temporary, SQLite::OPEN_READWRITE);
    database.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
    { const std::ofstream ready(directory_.file("ready")); }
    ::pause();
  }
  while (!fs::exists(directory_.file("ready"))) ::usleep(1000);
  ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1)));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("catalog.db", "catalog.db.of-another", "ready",
                                                   "catalog.db.new-4", "catalog.db.new-4-wal",
                                                   "catalog.db.new-4-shm"));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

}  // namespace
}  // namespace blkrewind::control
