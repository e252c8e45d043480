// A catalog that can only be read: SQLite cannot make its files beside it.
#include <filesystem>
#include <fstream>

#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;

class ReadOnlyCatalog : public CatalogTest {
 protected:
  void SetUp() override {
    auto catalog = open();
    ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 5)));
    ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
    ASSERT_TRUE(ok(catalog->detach("d-1", 1, 6, 1)));
  }
  // A dangling link in the place of the shared memory: root cannot make that file either.
  static void shut(const std::string& path) {
    std::filesystem::create_symlink("/nonexistent/shm", path + "-shm");
  }
  void shut() { shut(path_); }
  void unshut() { std::filesystem::remove(path_ + "-shm"); }
};

TEST_F(ReadOnlyCatalog, IsReadAndItsLocksCount) {
  shut();
  auto catalog = open();
  ASSERT_NE(catalog, nullptr);
  const auto row = catalog->instance("i-1");
  ASSERT_TRUE(row) << row.error().to_string();
  ASSERT_TRUE(*row);
  EXPECT_TRUE((*row)->has_lock(kSecurityLock));
  EXPECT_EQ(catalog->instances()->size(), 2U) << "each row once";
  EXPECT_EQ((*catalog->attachment("d-1"))->detached_at, 6);
}

TEST_F(ReadOnlyCatalog, AChangeSaysWhyItIsNotPossibleAndChangesNothing) {
  shut();
  auto catalog = open();
  const Status changed = catalog->unlock_instance("i-1", "security");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Errc::kIo);
  EXPECT_THAT(changed.error().message, HasSubstr("the store is read-only"));
  EXPECT_FALSE(changed.error().hint.empty());
  EXPECT_TRUE((*catalog->instance("i-1"))->has_lock(kSecurityLock));
  unshut();
  EXPECT_TRUE(ok(catalog->unlock_instance("i-1", "security"))) << "as soon as it is possible again";
  EXPECT_FALSE((*catalog->instance("i-1"))->has_lock(kSecurityLock));
}

// Every look sees what is there then, though the file is not watched between two.
TEST_F(ReadOnlyCatalog, SeesWhatChangedSinceTheLastLook) {
  shut();
  auto reader = open();
  EXPECT_EQ(reader->instances()->size(), 2U);
  unshut();
  {
    auto writer = open();
    ASSERT_TRUE(ok(writer->create_instance("i-2", "", 7)));
  }
  shut();
  EXPECT_EQ(reader->instances()->size(), 3U);
}

// A lock whose record is only in the log must not be passed over.
TEST_F(ReadOnlyCatalog, ALogThatCannotBeReadIsAnErrorAndNotIgnored) {
  auto writer = open();
  ASSERT_TRUE(ok(writer->create_instance("i-2", "", 7)));
  // As a power cut leaves them: the log holds the change, and the shared memory is gone.
  const std::string copy = directory_.file("copy.db");
  std::filesystem::copy_file(path_, copy);
  std::filesystem::copy_file(path_ + "-wal", copy + "-wal");
  shut(copy);
  const auto catalog = Catalog::open(copy);
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, Errc::kIo);
  EXPECT_THAT(catalog.error().hint, HasSubstr("-wal"));
}

TEST_F(ReadOnlyCatalog, OnlyWhatTheFileSystemRefusesIsTolerated) {
  EXPECT_TRUE(ok(tolerate_leftover_row({}, "s-1")));
  for (const Errc code : {Errc::kNoSpace, Errc::kIo, Errc::kBusy}) {
    EXPECT_TRUE(ok(tolerate_leftover_row(fail(code, "not now"), "s-1")));
  }
  EXPECT_FALSE(tolerate_leftover_row(fail(Errc::kIntegrity, "damaged"), "s-1"));
}

TEST_F(ReadOnlyCatalog, APathThatAUriWouldReadOtherwise) {
  const std::string folder = directory_.file("a b%41?x#y");
  std::filesystem::create_directory(folder);
  const std::string path = folder + "/catalog.db";
  std::filesystem::copy_file(path_, path);
  shut(path);
  const auto catalog = Catalog::open(path);
  ASSERT_TRUE(catalog) << catalog.error().to_string();
  EXPECT_EQ((*catalog)->instances()->size(), 2U);
}

}  // namespace
}  // namespace blkrewind::control
