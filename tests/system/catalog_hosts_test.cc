// The catalog of a store that two hosts use at once: two FUSE mounts of one folder, each with
// memory of its own for files that are mapped.
#ifdef BLKREWIND_PASSTHROUGH

#include <algorithm>
#include <set>

#include "support/passthrough.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

constexpr int kEach = 30;

class CatalogHosts : public testing::Test {
 protected:
  void SetUp() override {
    for (const test::Passthrough* host : {&host_a_, &host_b_}) {
      if (!host->why().empty()) GTEST_SKIP() << host->why();
    }
  }
  // Like an earlier version did.
  static void use_log(const std::string& path) {
    SQLite::Database database(path, SQLite::OPEN_READWRITE);
    ASSERT_EQ(database.execAndGet("PRAGMA journal_mode=WAL").getString(), "wal");
  }
  [[nodiscard]] std::string journal_mode() const {
    return journal_mode_of(folder_.file("catalog.db"));
  }
  static std::set<std::string> ids_in(Catalog& catalog) {
    std::set<std::string> ids;
    const auto rows = catalog.instances();
    if (!rows) ADD_FAILURE() << rows.error().to_string();
    if (rows) {
      for (const InstanceRow& row : *rows) ids.insert(row.id);
    }
    return ids;
  }

  test::TempDir folder_;
  test::Passthrough host_a_{BLKREWIND_PASSTHROUGH, folder_.path()};
  test::Passthrough host_b_{BLKREWIND_PASSTHROUGH, folder_.path()};
  const std::string path_a_ = host_a_.file("catalog.db");
  const std::string path_b_ = host_b_.file("catalog.db");
};

// Why no log is used: rows that were acknowledged are gone, or not seen.
TEST_F(CatalogHosts, ALogLosesRowsHere) {
  {
    SQLite::Database(path_a_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
        .exec("CREATE TABLE t(x)");
  }
  use_log(path_a_);
  SQLite::Database on_a(path_a_, SQLite::OPEN_READWRITE, 1000);
  SQLite::Database on_b(path_b_, SQLite::OPEN_READWRITE, 1000);
  int acknowledged = 0;
  for (int i = 0; i < kEach; ++i) {
    const std::string insert = "INSERT INTO t VALUES(" + std::to_string(i) + ")";
    if (on_a.tryExec(insert) == SQLite::OK) ++acknowledged;
    if (on_b.tryExec(insert) == SQLite::OK) ++acknowledged;
  }
  int seen = 2 * kEach;
  for (SQLite::Database* host : {&on_a, &on_b}) {
    SQLite::Statement count(*host, "SELECT count(*) FROM t");
    seen = std::min(seen, count.tryExecuteStep() == SQLITE_ROW ? count.getColumn(0).getInt() : 0);
  }
  RecordProperty("acknowledged", acknowledged);
  RecordProperty("seen", seen);
  EXPECT_GT(acknowledged, 0);
  EXPECT_LT(seen, acknowledged);
}

TEST_F(CatalogHosts, BothSeeWhatEitherCreates) {
  for (const std::string& path : {path_a_, path_b_}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) continue;
    auto catalog = Catalog::open(path);
    if (!catalog) ::_exit(1);
    const std::string prefix = path == path_a_ ? "i-a" : "i-b";
    for (int i = 0; i < kEach; ++i) {
      if (!(*catalog)->create_instance(prefix + std::to_string(i), "", i)) ::_exit(2);
    }
    ::_exit(0);
  }
  for (int i = 0; i < 2; ++i) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(journal_mode(), "delete");
  auto on_a = Catalog::open(path_a_);
  auto on_b = Catalog::open(path_b_);
  ASSERT_TRUE(on_a && on_b);
  EXPECT_EQ(ids_in(**on_a).size(), 1U + 2 * kEach);
  EXPECT_EQ(ids_in(**on_b), ids_in(**on_a));
}

// Both stay open, and look and change in turns.
TEST_F(CatalogHosts, EachSeesTheOthersLastChange) {
  auto on_a = Catalog::open(path_a_).value();
  auto on_b = Catalog::open(path_b_).value();
  for (int i = 0; i < 5; ++i) {
    const std::string id = "i-" + std::to_string(i);
    ASSERT_TRUE(ok(on_a->create_instance(id, "", i)));
    ASSERT_TRUE(on_b->instance(id).value()) << id;
    ASSERT_TRUE(ok(on_b->lock_instance(id, "security")));
    EXPECT_TRUE(on_a->instance(id).value()->has_lock(kSecurityLock)) << id;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.file("catalog.db-shm")));
}

TEST_F(CatalogHosts, ACatalogWithALogIsConverted) {
  {
    ASSERT_TRUE(
        ok(Catalog::open(folder_.file("catalog.db")).value()->create_instance("i-1", "", 1)));
  }
  { const EarlierProgram earlier(folder_.file("catalog.db"), {"i-2"}); }
  ASSERT_EQ(journal_mode(), "wal");
  EXPECT_TRUE(Catalog::open(path_a_).value()->instance("i-2").value());
  EXPECT_EQ(journal_mode(), "delete");
  EXPECT_TRUE(Catalog::open(path_b_).value()->instance("i-2").value());
}

// By a process that an earlier version runs on the other host.
TEST_F(CatalogHosts, ACatalogWhoseLogIsInUseIsOnlyRead) {
  { ASSERT_TRUE(ok(Catalog::open(path_a_).value()->create_instance("i-1", "", 1))); }
  {
    const EarlierProgram earlier(path_b_, {"i-2"});
    auto catalog = Catalog::open(path_a_).value();
    EXPECT_TRUE(catalog->instance("i-2").value()->has_lock(kSecurityLock));
    const Status changed = catalog->create_instance("i-3", "", 1);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, Errc::kBusy);
    EXPECT_THAT(words_of(changed.error()), HasSubstr("every machine"));
  }
  EXPECT_EQ(journal_mode(), "wal");
  EXPECT_TRUE(Catalog::open(path_a_).value()->instance("i-2").value());
  EXPECT_EQ(journal_mode(), "delete");
}

TEST_F(CatalogHosts, AHostThatMayOnlyReadSeesTheLastChange) {
  const test::Passthrough reader(BLKREWIND_PASSTHROUGH, folder_.path(), "ro");
  ASSERT_EQ(reader.why(), "");
  const std::string path = reader.file("catalog.db");
  auto on_a = Catalog::open(path_a_).value();
  ASSERT_TRUE(ok(on_a->create_instance("i-1", "", 1)));
  auto reading = Catalog::open(path).value();
  EXPECT_TRUE(reading->instance("i-1").value());
  ASSERT_TRUE(ok(on_a->create_instance("i-2", "", 1)));
  EXPECT_TRUE(reading->instance("i-2").value());
  EXPECT_EQ(reading->create_instance("i-3", "", 1).error().code, Errc::kIo);
  on_a.reset();

  // The last change is in a log, which this host can neither lock nor share.
  const EarlierProgram earlier(path_b_, {"i-3"});
  EXPECT_TRUE(reading->instance("i-3").value()->has_lock(kSecurityLock));
}

}  // namespace
}  // namespace blkrewind::control

#endif  // BLKREWIND_PASSTHROUGH
