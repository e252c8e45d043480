// The seals of the catalog's rows: what they find, and what they cost.
#include "control/catalog/catalog_seals.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control/catalog/catalog_digest.h"
#include "support/golden_store.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

constexpr const char* kTables[] = {"instances", "instance_locks", "disks",
                                   "seals",     "seal_sums",      "seal_secret"};

class CatalogSeals : public CatalogTest {
 protected:
  // Two rows in each table that may have two.
  void make() {
    auto catalog = open();
    for (const std::string n : {"1", "2"}) {
      ASSERT_TRUE(ok(catalog->create_instance("i-" + n, "name" + n, 5)));
      ASSERT_TRUE(ok(catalog->lock_instance("i-" + n, "security" + n)));
      ASSERT_TRUE(ok(catalog->detach("d-" + n, 1, 5, 1)));
    }
  }
  void renew() {
    std::filesystem::remove(path_);
    make();
  }
  // With another connection, and without its triggers. Constraints of the tables hold all the same.
  [[nodiscard]] int alter(const std::string& statements) const {
    return SQLite::Database(path_, SQLite::OPEN_READWRITE).tryExec(statements);
  }
  [[nodiscard]] std::vector<std::string> columns(const std::string& table) const {
    SQLite::Database database(path_);
    SQLite::Statement query(database, "PRAGMA table_info(" + table + ")");
    std::vector<std::string> names;
    while (query.executeStep()) names.push_back(query.getColumn(1).getString());
    return names;
  }
  // A change of any value of these tables is found; `anew` makes the catalog again.
  template <class Tables>
  int expect_changes_found(const Tables& tables, const std::function<void()>& anew) {
    int refused = 0;  // by a constraint of the table, whose values are few
    for (const std::string table : tables) {
      for (const std::string& column : columns(table)) {
        const std::string name = '"' + column + '"';
        // A letter, a digit, or a byte: what the type of the column permits.
        const std::string value = "CASE typeof(" + name + ") WHEN 'integer' THEN " + name +
                                  " + 1 WHEN 'text' THEN " + name +
                                  " || 'x' ELSE CAST(zeroblob(length(" + name + ")) AS BLOB) END";
        const std::string one = "(SELECT " + name + " FROM " + table + " ORDER BY 1 DESC LIMIT 1)";
        if (alter("UPDATE " + table + " SET " + name + " = " + value + " WHERE " + name + " = " +
                  one) != SQLite::OK) {
          ++refused;
          continue;
        }
        EXPECT_EQ(open_error().code, Errc::kIntegrity) << table << "." << column;
        anew();
      }
    }
    return refused;
  }
  void copy_version4() {
    std::filesystem::copy_file(
        std::filesystem::path(test::golden_folder()) / ".." / "catalog-v4" / "catalog.db", path_,
        std::filesystem::copy_options::overwrite_existing);
  }
};

TEST_F(CatalogSeals, AChangedValueInAnyColumnIsFound) {
  make();
  ASSERT_TRUE(open());
  EXPECT_LE(expect_changes_found(kTables, [this] { renew(); }), 4);
  EXPECT_TRUE(open());
}

// The rows that a later version carries over are as they were written.
TEST_F(CatalogSeals, AChangedValueInAnyColumnOfVersion4IsFound) {
  copy_version4();
  ASSERT_TRUE(open());
  constexpr const char* kOld[] = {"instances",      "disks",         "resets",
                                  "snapshot_notes", "snapshot_tags", "client_tokens",
                                  "clock",          "seals",         "seal_sums"};
  EXPECT_LE(expect_changes_found(kOld, [this] { copy_version4(); }), 6);
  EXPECT_TRUE(open());
}

TEST_F(CatalogSeals, ARowThatIsRemovedIsFound) {
  make();
  for (const std::string table : kTables) {
    const std::string key = columns(table).front();
    ASSERT_EQ(alter("DELETE FROM " + table + " WHERE " + key + " = (SELECT max(" + key + ") FROM " +
                    table + ")"),
              SQLite::OK)
        << table;
    EXPECT_EQ(open_error().code, Errc::kIntegrity) << table;
    renew();
  }
}

TEST_F(CatalogSeals, ARowThatIsAddedIsFound) {
  make();
  for (const char* row :
       {"instances VALUES('i-3', '', 'Stopped', 0, 0, 0)", "instance_locks VALUES('i-1', 'other')",
        "disks VALUES('d-3', '', 0, 0, 0, 0)", "content_digest VALUES(1)",
        "seals VALUES(1, 'i-3', '', zeroblob(16))", "seals VALUES(99, 'i-3', '', zeroblob(16))",
        "seal_sums VALUES(99, 0, zeroblob(16))"}) {
    ASSERT_EQ(alter(std::string("INSERT INTO ") + row), SQLite::OK) << row;
    EXPECT_EQ(open_error().code, Errc::kIntegrity) << row;
    renew();
  }
}

TEST_F(CatalogSeals, RowsThatAreSwappedAreFound) {
  make();
  for (const char* statement :
       {"UPDATE instances SET name = CASE id WHEN 'i-1' THEN 'name2' ELSE 'name1' END",
        "UPDATE disks SET disk_id = CASE disk_id WHEN 'd-1' THEN 'd-9' ELSE 'd-1' END, "
        "detached_at = detached_at + (disk_id = 'd-2')",
        "UPDATE seals SET digest = (SELECT digest FROM seals AS other WHERE other.kind = 1 AND "
        "other.key = CASE seals.key WHEN 'i-1' THEN 'i-2' ELSE 'i-1' END) WHERE kind = 1 AND key "
        "IN ('i-1', 'i-2')"}) {
    ASSERT_EQ(alter(statement), SQLite::OK) << statement;
    EXPECT_EQ(open_error().code, Errc::kIntegrity) << statement;
    renew();
  }
}

// As by a write of a page that was lost.
TEST_F(CatalogSeals, ARowFromAnOlderStateIsFoundWithAndWithoutItsSeal) {
  for (const bool with_seal : {false, true}) {
    renew();
    const std::string older = directory_.file("older.db");
    std::filesystem::copy_file(path_, older, std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(ok(open()->lock_instance("i-1", "security")));
    ASSERT_TRUE(ok(open()->change_instance("i-1", {"newer", {}, {}})));
    ASSERT_EQ(alter("ATTACH '" + older +
                    "' AS older; REPLACE INTO instances SELECT * FROM older.instances WHERE id = "
                    "'i-1'"),
              SQLite::OK);
    if (with_seal) {
      ASSERT_EQ(alter("ATTACH '" + older +
                      "' AS older; REPLACE INTO seals SELECT * FROM older.seals WHERE kind = 1 AND "
                      "key = 'i-1'"),
                SQLite::OK);
    }
    const Error error = open_error();
    EXPECT_EQ(error.code, Errc::kIntegrity);
    EXPECT_THAT(error.message, HasSubstr(with_seal ? "their sum" : "a row has changed"));
  }
}

// A connection that was open before, for which no row was verified again.
TEST_F(CatalogSeals, EachReadVerifiesTheRowsThatItLooksAt) {
  struct Case {
    const char* statement;
    Status (*read)(Catalog&);
  };
  static constexpr auto status = [](const auto& result) -> Status {
    if (!result) return fail(result.error());
    return {};
  };
  const Case cases[] = {
      {"UPDATE instances SET in_arrears = 1 WHERE id = 'i-1'",
       [](Catalog& c) { return status(c.instance("i-1")); }},
      {"DELETE FROM instances WHERE id = 'i-1'",
       [](Catalog& c) { return status(c.instance("i-1")); }},
      {"DELETE FROM instances WHERE id = 'i-1'", [](Catalog& c) { return status(c.instances()); }},
      {"DELETE FROM instance_locks WHERE instance_id = 'i-1'",
       [](Catalog& c) { return status(c.instance("i-1")); }},
      {"INSERT INTO instance_locks VALUES('i-1', 'b')",
       [](Catalog& c) { return status(c.instances()); }},
      {"DELETE FROM disks WHERE disk_id = 'd-1'",
       [](Catalog& c) { return status(c.attachment("d-1")); }},
      {"UPDATE disks SET instance_id = 'i-1'", [](Catalog& c) { return status(c.attachments()); }},
      {"UPDATE disks SET instance_id = 'i-1'",
       [](Catalog& c) { return c.delete_instance("i-2", {}); }},
  };
  for (const Case& one : cases) {
    renew();
    auto catalog = open();
    ASSERT_TRUE(catalog->instance("i-local"));
    ASSERT_EQ(alter(one.statement), SQLite::OK) << one.statement;
    const Status read = one.read(*catalog);
    ASSERT_FALSE(read) << one.statement;
    EXPECT_EQ(read.error().code, Errc::kIntegrity) << one.statement;
    // Once damage is known, nothing else is changed either.
    EXPECT_EQ(catalog->create_instance("i-9", "", 1).error().code, Errc::kIntegrity);
    EXPECT_EQ(open_error().code, Errc::kIntegrity) << one.statement << ": it was sealed";
  }
}

TEST_F(CatalogSeals, RowsOfAnotherCatalogAreFound) {
  make();
  const std::string other = directory_.file("other.db");
  std::filesystem::copy_file(path_, other);
  renew();
  ASSERT_EQ(alter("ATTACH '" + other +
                  "' AS other; REPLACE INTO disks SELECT * FROM other.disks; REPLACE INTO seals "
                  "SELECT * FROM other.seals WHERE kind = 3; REPLACE INTO seal_sums SELECT * FROM "
                  "other.seal_sums WHERE kind = 3"),
            SQLite::OK);
  EXPECT_EQ(open_error().code, Errc::kIntegrity);
}

TEST_F(CatalogSeals, AChangeDigestsOnlyTheRowsThatItTouches) {
  constexpr int kRows = 50'000;
  make();
  {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    SQLite::Transaction transaction(database);
    const std::string numbers =
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(kRows + 9) + ") ";
    database.exec(numbers +
                  "INSERT INTO instances SELECT 'i-' || i, '', 'Stopped', 0, 0, 0 FROM n");
    database.exec(numbers + "INSERT INTO disks SELECT 'd-' || i, 'i-1', 1, 0, 0, 0 FROM n");
    Seals seals(database);
    seals.make();
    transaction.commit();
  }
  auto catalog = open();
  std::uint64_t before = catalog->digested_rows();
  EXPECT_GT(before, 2U * kRows) << "all rows are verified once";
  const auto cost = [&] {
    const std::uint64_t now = catalog->digested_rows();
    return now - std::exchange(before, now);
  };
  static_cast<void>(cost());
  ASSERT_TRUE(ok(catalog->create_instance("i-3", "", 1)));
  ASSERT_TRUE(ok(catalog->detach("d-11", 1, 5, 1)));
  EXPECT_LE(cost(), 8U);
  // After a change by another process.
  ASSERT_TRUE(ok(open()->lock_instance("i-3", "x")));
  ASSERT_TRUE(catalog->instance("i-3"));
  ASSERT_TRUE(catalog->attachment("d-1"));
  ASSERT_TRUE(ok(catalog->forget_disk("d-12")));
  EXPECT_LE(cost(), 16U);
  // A list costs its table.
  ASSERT_TRUE(catalog->attachments());
  const std::uint64_t listed = cost();
  EXPECT_GE(listed, std::uint64_t{kRows});
  EXPECT_LE(listed, kRows + 8U);
  ASSERT_TRUE(catalog->attachments());
  EXPECT_EQ(cost(), 0U) << "no other process has changed anything";
}

// By a program of an earlier version that had it open before the upgrade: it looks at the digest.
TEST_F(CatalogSeals, AnOlderProgramTakesAnUpgradedCatalogForDamaged) {
  make();
  SQLite::Database database(path_);
  EXPECT_FALSE(content_digest_matches(database));
}

TEST_F(CatalogSeals, AnotherProcessMayUpgradeItMeanwhile) {
  std::filesystem::copy_file(std::filesystem::path(test::golden_folder()) / "store" / "catalog.db",
                             path_);
  auto early = open();
  const std::size_t instances = early->instances()->size();
  ASSERT_TRUE(ok(open()->create_instance("i-new", "", 1)));
  EXPECT_EQ(early->instances()->size(), instances + 1);
  ASSERT_TRUE(ok(early->create_instance("i-newer", "", 1)));
  ASSERT_EQ(alter("UPDATE instances SET name = 'x' WHERE id = 'i-new'"), SQLite::OK);
  EXPECT_EQ(early->instance("i-new").error().code, Errc::kIntegrity);
}

TEST_F(CatalogSeals, AnUpgradeWhoseChangeIsRefusedIsTakenBack) {
  std::filesystem::copy_file(std::filesystem::path(test::golden_folder()) / "store" / "catalog.db",
                             path_);
  auto catalog = open();
  const std::size_t instances = catalog->instances()->size();
  EXPECT_EQ(catalog->lock_instance("i-none", "x").error().code, Errc::kNotFound);
  EXPECT_EQ(SQLite::Database(path_).execAndGet("PRAGMA user_version").getInt(), 1);
  EXPECT_EQ(catalog->instances()->size(), instances);
  ASSERT_TRUE(ok(catalog->create_instance("i-new", "", 1)));
  EXPECT_EQ(open()->instances()->size(), instances + 1);
}

}  // namespace
}  // namespace blkrewind::control
