// Catalogs of an attacker: files that are not databases, objects that are not tables, ids that lead
// elsewhere.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/catalog/catalog_seals.h"
#include "support/errors.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

class ForgedCatalogTest : public CatalogTest {
 protected:
  void SetUp() override { make(); }
  void make() {
    auto catalog = open();
    ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 5)));
    ASSERT_TRUE(ok(catalog->detach("d-1", 1, 5, 1)));
    ASSERT_TRUE(ok(catalog->attach("d-1", "i-1", 6)));
  }
  // Changes the closed catalog, and updates its seals as its writer would.
  void forge(const char* statements, bool sealed = true) const {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec(statements);
    if (sealed) Seals(database).make();
  }
  // The error of opening the catalog as it is.
  [[nodiscard]] Error refusal() const {
    auto opened = Catalog::open(path_);
    if (opened) {
      ADD_FAILURE() << "it was accepted";
      return {};
    }
    EXPECT_FALSE(words_of(opened.error()).empty());
    return opened.error();
  }
};

TEST_F(ForgedCatalogTest, AViewInPlaceOfATableIsDamageBeforeItIsRead) {
  // Infinite, if it were read.
  forge(
      "ALTER TABLE disks RENAME TO kept;"
      "CREATE VIEW disks(disk_id, instance_id, attached_at, first_detached_at, detached_at) AS "
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
      "SELECT 'd-' || i, 'i-1', 0, 0, 0 FROM n",
      false);
  const Error error = refusal();
  EXPECT_EQ(error.code, Errc::kIntegrity);
  EXPECT_THAT(error.message, HasSubstr("not one that blkrewind creates"));
}

TEST_F(ForgedCatalogTest, TriggersIndicesAndFurtherTablesAreDamage) {
  for (const char* statement :
       {"CREATE TRIGGER t AFTER INSERT ON disks BEGIN DELETE FROM instances; END",
        "CREATE INDEX x ON disks(instance_id)", "CREATE TABLE more(a)", "DROP TABLE instance_locks",
        "ALTER TABLE disks ADD COLUMN more INTEGER",
        "DROP TABLE disks; CREATE TABLE disks(disk_id, instance_id, attached_at, "
        "first_detached_at, detached_at GENERATED ALWAYS AS (attached_at))"}) {
    forge(statement, false);
    EXPECT_EQ(refusal().code, Errc::kIntegrity) << statement;
    std::filesystem::remove(path_);
    make();
  }
  EXPECT_TRUE(Catalog::open(path_));
}

TEST_F(ForgedCatalogTest, IdsAndNamesInRowsAreChecked) {
  for (const char* statement :
       {"UPDATE disks SET disk_id = 'd-../../victim'", "UPDATE disks SET disk_id = ''",
        "UPDATE disks SET instance_id = 'i-' || char(10)",
        "UPDATE instances SET name = char(27) || '[2J' WHERE id = 'i-1'",
        "INSERT INTO instances VALUES('../i', '', 'Stopped', 0, 0, 0)"}) {
    forge(statement);
    const Error error = refusal();
    EXPECT_EQ(error.code, Errc::kIntegrity) << statement;
    EXPECT_THAT(error.message, HasSubstr("has an invalid ")) << statement;
    std::filesystem::remove(path_);
    make();
  }
}

TEST_F(ForgedCatalogTest, LinksAndSpecialFilesAreRefused) {
  const std::string outside = directory_.file("outside");
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string file = path_ + suffix;
    std::filesystem::remove(outside);
    if (*suffix == '\0') {
      std::filesystem::rename(file, outside);
    } else {
      std::ofstream(outside) << "of another program";
      ::chmod(outside.c_str(), 0600);
    }
    ASSERT_EQ(::symlink(outside.c_str(), file.c_str()), 0);
    EXPECT_EQ(refusal().code, Errc::kPrecondition) << "link " << suffix;
    std::filesystem::remove(file);
    ASSERT_EQ(::link(outside.c_str(), file.c_str()), 0);
    EXPECT_EQ(refusal().code, Errc::kPrecondition) << "hard link " << suffix;
    std::filesystem::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    EXPECT_EQ(refusal().code, Errc::kIntegrity) << "FIFO " << suffix;
    std::filesystem::remove(file);
    if (*suffix == '\0') std::filesystem::rename(outside, file);
  }
  EXPECT_TRUE(Catalog::open(path_));
}

TEST_F(ForgedCatalogTest, AFileLongerThanAnyCatalogIsDamage) {
  ASSERT_EQ(::truncate(path_.c_str(), off_t{1} << 42), 0);
  EXPECT_EQ(refusal().code, Errc::kIntegrity);
}

TEST_F(ForgedCatalogTest, WhatOthersMayWriteIsRefused) {
  ASSERT_EQ(::chmod(path_.c_str(), 0660), 0);
  EXPECT_EQ(refusal().code, Errc::kPrecondition);
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  EXPECT_TRUE(Catalog::open(path_));
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
  EXPECT_EQ(refusal().code, Errc::kPrecondition);
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0700), 0);
}

TEST_F(ForgedCatalogTest, ACatalogThatRootMakesBelongsToTheFoldersOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kUser = 65534;
  std::filesystem::remove(path_);
  ASSERT_EQ(::chown(directory_.path().c_str(), kUser, kUser), 0);
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-2", "", 1)));
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat status = {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0) << entry.path();
    EXPECT_EQ(status.st_uid, kUser) << entry.path();
    EXPECT_EQ(status.st_gid, kUser) << entry.path();
    EXPECT_EQ(status.st_mode & 07777U, 0600U) << entry.path();
  }
}

}  // namespace
}  // namespace blkrewind::control
