// Catalogs of earlier versions: read as they are, upgraded by a change, and what they hold that is
// in the journal now.
#include "control/catalog/catalog_old_rows.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>

#include "control/catalog/catalog_schema.h"
#include "control/catalog/catalog_seals.h"
#include "support/golden_store.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

namespace fs = std::filesystem;

class CatalogOldRows : public CatalogTest {
 protected:
  void copy_version1() const {
    fs::copy_file(fs::path(test::golden_folder()) / "store" / "catalog.db", path_);
  }
  // Made by the last program that wrote version 4.
  void copy_version4() const {
    fs::copy_file(fs::path(test::golden_folder()) / ".." / "catalog-v4" / "catalog.db", path_);
  }
  [[nodiscard]] int version() const {
    return SQLite::Database(path_).execAndGet("PRAGMA user_version").getInt();
  }
  // As another program, with its seals right.
  void forge(const std::string& statements) const {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    SQLite::Transaction transaction(database);
    database.exec(statements);
    Seals(database).make();
    transaction.commit();
  }
  void expect_version4(const OldRows& rows) {
    ASSERT_EQ(rows.resets.size(), 2U);
    const OldReset& accepted = rows.resets[0];
    EXPECT_EQ(accepted.disk_id, "d-1");
    EXPECT_EQ(accepted.last_before, "R-0");
    EXPECT_EQ(accepted.record, (format::ResetRecord{0,
                                                    "R-1",
                                                    "s-1",
                                                    false,
                                                    ResetState::kAccepted,
                                                    {1'700'000'000, 1000, "boot-0"},
                                                    0,
                                                    "",
                                                    ""}));
    EXPECT_EQ(rows.resets[1].disk_id, "d-2");
    EXPECT_EQ(rows.resets[1].record, (format::ResetRecord{0,
                                                          "R-2",
                                                          "s-2",
                                                          true,
                                                          ResetState::kFailed,
                                                          {1'700'000'000, 1000, "boot-0"},
                                                          1'700'000'100,
                                                          "OperationDenied",
                                                          "it has another size"}));
    ASSERT_EQ(rows.notes.size(), 1U) << "that of s-2 holds nothing";
    EXPECT_EQ(rows.notes[0].snapshot_id, "s-1");
    EXPECT_EQ(rows.notes[0].record,
              (format::NoteRecord{0, 0, 30, 86'400, 5000, 86'400, {{"app", ""}, {"zone", "b"}}}));
    ASSERT_EQ(rows.tokens.size(), 2U);
    EXPECT_EQ(rows.tokens[0].snapshot_id, "s-1");
    EXPECT_EQ(rows.tokens[0].parameters, "wishes");
    EXPECT_EQ(rows.tokens[0].record, (format::TokenRecord{0, 0, "t-1", {}, 0}));
    EXPECT_EQ(rows.tokens[1].snapshot_id, "s-2");
    EXPECT_EQ(rows.tokens[1].parameters, "others");
    EXPECT_EQ(rows.tokens[1].record, (format::TokenRecord{0, 0, "t-2", {}, 86'400}));
    ASSERT_TRUE(rows.clock);
    EXPECT_EQ(*rows.clock, (format::ClockRecord{0, {1'700'094'400, 3020, "boot-1"}, 89'400}));
  }
  [[nodiscard]] static Status drop(Catalog& catalog) {
    return catalog.hand_over_old_rows([](const OldRows&) { return Status(); });
  }
  void expect_none(Catalog& catalog) {
    const auto rows = catalog.old_rows();
    ASSERT_TRUE(ok(rows));
    EXPECT_TRUE(rows->empty());
  }
};

TEST_F(CatalogOldRows, ANewCatalogHasNone) {
  auto catalog = open();
  expect_none(*catalog);
  EXPECT_TRUE(ok(drop(*catalog)));
  EXPECT_FALSE(fs::exists(path_)) << "neither makes a catalog";
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  EXPECT_EQ(version(), kCatalogVersion);
  expect_none(*catalog);
  EXPECT_TRUE(ok(drop(*catalog)));
  EXPECT_EQ(catalog->instances()->size(), 2U);
}

TEST_F(CatalogOldRows, Version4StaysUntilItsRowsAreDropped) {
  copy_version4();
  auto catalog = open();
  expect_version4(*catalog->old_rows());
  EXPECT_EQ(catalog->instance("i-1").value()->name, "one");
  EXPECT_EQ(catalog->instance("i-1").value()->locks, std::vector<std::string>{"security"});
  EXPECT_EQ(catalog->attachment("d-1").value()->detached_before, 3U);
  EXPECT_EQ(version(), 4) << "reading changes nothing";
  ASSERT_TRUE(ok(catalog->create_instance("i-2", "two", 7)));
  EXPECT_EQ(version(), 4) << "a change keeps them";
  auto early = open();
  expect_version4(*early->old_rows());

  ASSERT_TRUE(ok(drop(*catalog)));
  EXPECT_EQ(version(), kCatalogVersion);
  const auto late = open();
  for (Catalog* now : {catalog.get(), early.get(), late.get()}) {
    expect_none(*now);
    EXPECT_TRUE(ok(drop(*now))) << "once more";
    EXPECT_EQ(now->instances()->size(), 3U);
    EXPECT_EQ(now->attachment("d-1").value()->detached_before, 3U);
  }
  ASSERT_TRUE(ok(early->lock_instance("i-2", "x"))) << "it had it open before";
  ASSERT_TRUE(ok(catalog->unlock_instance("i-2", "x")));
  ASSERT_TRUE(ok(open()->create_instance("i-3", "", 8)));
  EXPECT_EQ(catalog->instances()->size(), 4U);
}

// As a server of an earlier version, which still runs while the store is upgraded.
TEST_F(CatalogOldRows, NoneIsAddedWhileTheyAreHandedOver) {
  copy_version4();
  SQLite::Database earlier(path_, SQLite::OPEN_READWRITE);
  const auto add = [&] {
    return earlier.tryExec(
        "INSERT INTO resets VALUES('d-9', 'R-9', 's-9', 1, 'accepted', 1, 0, '', '', 0, '', '-')");
  };
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->hand_over_old_rows([&](const OldRows& rows) -> Status {
    expect_version4(rows);
    EXPECT_EQ(add(), 5) << "SQLITE_BUSY";
    return {};
  })));
  EXPECT_EQ(version(), kCatalogVersion);
  EXPECT_EQ(add(), 1) << "SQLITE_ERROR: there is no such table";
  expect_none(*catalog);
}

TEST_F(CatalogOldRows, WhatIsNotTakenStays) {
  copy_version4();
  auto catalog = open();
  const Status refused = catalog->hand_over_old_rows([](const OldRows&) -> Status {
    return fail(Errc::kNoSpace, "the logs have no room", "make some");
  });
  ASSERT_TRUE(test::failed(refused, Errc::kNoSpace));
  EXPECT_EQ(words_of(refused.error()), "make some");
  EXPECT_EQ(version(), 4);
  expect_version4(*open()->old_rows());
}

TEST_F(CatalogOldRows, Version4WithoutRowsIsUpgradedByAChange) {
  copy_version4();
  forge(
      "DELETE FROM resets; DELETE FROM snapshot_notes; DELETE FROM snapshot_tags; "
      "DELETE FROM client_tokens");
  auto catalog = open();
  EXPECT_EQ(catalog->lock_instance("i-none", "x").error().code, Errc::kNotFound);
  EXPECT_EQ(version(), 4) << "a change that is refused is taken back";
  ASSERT_TRUE(ok(catalog->lock_instance("i-1", "x")));
  EXPECT_EQ(version(), kCatalogVersion);
  EXPECT_EQ(open()->instance("i-1").value()->locks.size(), 2U);
}

TEST_F(CatalogOldRows, IdsInThemAreChecked) {
  for (const char* statement :
       {"INSERT INTO resets VALUES('d-3', 'R', '/etc', 1, 'accepted', 1, 0, '', '', 0, '', '-')",
        "INSERT INTO resets VALUES('d-../3', 'R', 's-1', 1, 'done', 1, 0, '', '', 0, '', '-')",
        "INSERT INTO snapshot_notes VALUES('s-1/..', 3, 0, 0, 0)",
        "INSERT INTO snapshot_tags VALUES('x', 'k', 'v')",
        "INSERT INTO client_tokens VALUES('t', 'p', '../s', 1, 0, 0)"}) {
    fs::remove(path_);
    copy_version4();
    forge(statement);
    const Error error = open_error();
    EXPECT_EQ(error.code, Errc::kIntegrity) << statement;
    EXPECT_THAT(error.message, testing::HasSubstr("has an invalid ")) << statement;
  }
}

TEST_F(CatalogOldRows, Version1IsReadAsItIsAndUpgradedByAChange) {
  copy_version1();
  ASSERT_EQ(version(), 1);
  auto catalog = open();
  expect_none(*catalog);
  const std::size_t instances = catalog->instances()->size();
  EXPECT_EQ(version(), 1) << "reading changes nothing";
  ASSERT_TRUE(ok(catalog->create_instance("i-new", "", 1)));
  EXPECT_EQ(version(), kCatalogVersion);
  EXPECT_EQ(open()->instances()->size(), instances + 1);
}

// Literally as created by version 2, with a row in each of its tables.
constexpr const char* kVersion2 = R"sql(
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
INSERT INTO resets VALUES('d-1', 'R-1', 's-1', 1, 'accepted', 100, 0, '', '');
INSERT INTO snapshot_notes VALUES('s-1', 30);
INSERT INTO client_tokens VALUES('t-1', 'wishes', 's-1', 100);
INSERT OR REPLACE INTO disks VALUES('d-1', 'i-local', 1, 2, 3);
DROP TABLE content_digest;
PRAGMA user_version=2;
)sql";

// The columns that version 3 added, with what it had counted.
constexpr const char* kVersion3 = R"sql(
ALTER TABLE disks ADD COLUMN detached_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE resets ADD COLUMN accepted_boottime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE resets ADD COLUMN accepted_boot_id TEXT NOT NULL DEFAULT '';
ALTER TABLE resets ADD COLUMN last_before TEXT NOT NULL DEFAULT '-';
ALTER TABLE snapshot_notes ADD COLUMN counted_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot_notes ADD COLUMN owed_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE client_tokens ADD COLUMN counted_seconds INTEGER NOT NULL DEFAULT 0;
CREATE TABLE clock(
  id INTEGER PRIMARY KEY NOT NULL CHECK(id = 1),
  wall INTEGER NOT NULL,
  boottime INTEGER NOT NULL,
  boot_id TEXT NOT NULL
) STRICT;
UPDATE snapshot_notes SET counted_seconds = 5000, owed_seconds = 60;
UPDATE client_tokens SET counted_seconds = 700;
INSERT INTO client_tokens VALUES('t-2', 'others', 's-2', 100, 300);
INSERT INTO clock VALUES(1, 2000, 1000, 'boot');
PRAGMA user_version=3;
)sql";

TEST_F(CatalogOldRows, Versions2And3AreReadAsTheyAre) {
  copy_version1();
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.tryExec("CREATE TABLE IF NOT EXISTS content_digest(value INTEGER NOT NULL) STRICT");
    database.exec(kVersion2);
  }
  const auto expect_rows = [&](const OldRows& rows) {
    ASSERT_EQ(rows.resets.size(), 1U);
    EXPECT_EQ(rows.resets[0].last_before, "-");
    EXPECT_EQ(rows.resets[0].record.accepted, (Moment{100, 0, ""}));
    ASSERT_EQ(rows.notes.size(), 1U);
    EXPECT_EQ(rows.notes[0].record.retention_days, 30U);
    EXPECT_EQ(open()->attachment("d-1").value()->detached_at, 3);
    EXPECT_EQ(open()->attachment("d-1").value()->detached_before, 0U);
  };
  OldRows rows = *open()->old_rows();
  expect_rows(rows);
  EXPECT_FALSE(rows.clock);
  ASSERT_EQ(rows.tokens.size(), 1U);
  EXPECT_EQ(rows.tokens[0].record.counted_from, 0);
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(kVersion3);
  const auto expect_counted = [&] {
    rows = *open()->old_rows();
    expect_rows(rows);
    ASSERT_TRUE(rows.clock);
    EXPECT_EQ(*rows.clock, (format::ClockRecord{0, {2000, 1000, "boot"}, 700}));
    EXPECT_EQ(rows.notes[0].record.counted_seconds, 5000);
    EXPECT_EQ(rows.notes[0].record.owed_seconds, 60);
    EXPECT_EQ(rows.notes[0].record.counted_from, 700) << "nothing has passed since";
    ASSERT_EQ(rows.tokens.size(), 2U);
    EXPECT_EQ(rows.tokens[0].record.counted_from, 0) << "700 seconds of its day";
    EXPECT_EQ(rows.tokens[1].record.counted_from, 400);
  };
  expect_counted();
  ASSERT_TRUE(ok(open()->create_instance("i-new", "", 1)));
  EXPECT_EQ(version(), 4);
  expect_counted();
}

}  // namespace
}  // namespace blkrewind::control
