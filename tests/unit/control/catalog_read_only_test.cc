// A read-only catalog: neither it nor its directory can be written.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "support/errors.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// Permissions do not restrict root, so as root everything is done, and owned, by another user.
class ReadOnlyCatalog : public CatalogTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown(directory_.path().c_str(), kUser, kUser), 0);
      ASSERT_EQ(::seteuid(kUser), 0);
      changed_user_ = true;
    }
    auto catalog = open();
    ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 5)));
    ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
    ASSERT_TRUE(ok(catalog->detach("d-1", 1, 6, 1)));
  }
  void TearDown() override {
    if (changed_user_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
    for (const std::string& folder : shut_) ::chmod(folder.c_str(), 0700);
  }
  // Neither the files nor their directory can be written.
  void shut(const std::string& path) {
    set_modes(path, 0400, 0500);
    shut_.insert(fs::path(path).parent_path());
  }
  void shut() { shut(path_); }
  void unshut() const { set_modes(path_, 0600, 0700); }
  static bool is_locked(Catalog& catalog) {
    const auto row = catalog.instance("i-1");
    return row && *row && (*row)->has_lock(kSecurityLock);
  }
  static std::size_t rows(Catalog& catalog) {
    const auto instances = catalog.instances();
    EXPECT_TRUE(instances) << instances.error().to_string();
    return instances ? instances->size() : 0;
  }

 private:
  static constexpr uid_t kUser = 65534;

  static void set_modes(const std::string& path, mode_t file, mode_t folder) {
    for (const char* suffix : {"", "-wal", "-journal"}) {
      if (!fs::exists(path + suffix)) continue;
      EXPECT_EQ(::chmod((path + suffix).c_str(), file), 0);
    }
    EXPECT_EQ(::chmod(fs::path(path).parent_path().c_str(), folder), 0);
  }

  bool changed_user_ = false;
  std::set<std::string> shut_;
};

TEST_F(ReadOnlyCatalog, IsReadAndItsLocksCount) {
  shut();
  auto catalog = open();
  EXPECT_TRUE(is_locked(*catalog));
  EXPECT_EQ(rows(*catalog), 2U) << "each row once";
  const auto attachment = catalog->attachment("d-1");
  ASSERT_TRUE(attachment && *attachment);
  EXPECT_EQ((*attachment)->detached_at, 6);
}

TEST_F(ReadOnlyCatalog, AChangeSaysWhyItIsNotPossibleAndChangesNothing) {
  shut();
  auto catalog = open();
  const Status changed = catalog->unlock_instance("i-1", "security");
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Errc::kIo);
  EXPECT_THAT(changed.error().message, HasSubstr("the store is read-only"));
  EXPECT_FALSE(words_of(changed.error()).empty());
  EXPECT_TRUE(is_locked(*catalog));
  unshut();
  EXPECT_TRUE(ok(catalog->unlock_instance("i-1", "security"))) << "as soon as it is possible again";
  EXPECT_FALSE(is_locked(*catalog));
}

// Every read sees the current content, although the file is not watched in between.
TEST_F(ReadOnlyCatalog, SeesWhatChangedSinceTheLastLook) {
  shut();
  auto reader = open();
  EXPECT_EQ(rows(*reader), 2U);
  unshut();
  {
    auto writer = open();
    ASSERT_TRUE(ok(writer->create_instance("i-2", "", 7)));
  }
  shut();
  EXPECT_EQ(rows(*reader), 3U);
}

// A lock whose record is only in the log of an earlier version must not be ignored.
TEST_F(ReadOnlyCatalog, ALogIsReadWithTheCatalog) {
  const EarlierProgram earlier(path_, {"i-2"});
  // As after a power cut: the log contains the change, and its index is gone.
  const std::string copy = directory_.file("copy.db");
  fs::copy_file(path_, copy);
  fs::copy_file(path_ + "-wal", copy + "-wal");
  shut(copy);
  const auto catalog = Catalog::open(copy);
  ASSERT_TRUE(catalog) << catalog.error().to_string();
  for (int look = 0; look < 2; ++look) {
    const auto row = (*catalog)->instance("i-2");
    ASSERT_TRUE(row && *row);
    EXPECT_TRUE((*row)->has_lock(kSecurityLock));
  }
  EXPECT_EQ((*catalog)->create_instance("i-3", "", 8).error().code, Errc::kIo);
  EXPECT_FALSE(fs::exists(copy + "-shm"));
}

TEST_F(ReadOnlyCatalog, AnEmptyLogIsNotNeeded) {
  { const EarlierProgram earlier(path_, {"i-2"}); }
  ASSERT_FALSE(fs::exists(path_ + "-wal"));
  shut();
  EXPECT_EQ(rows(*open()), 3U);
  unshut();
  EXPECT_EQ(journal_mode_of(path_), "wal") << "nothing was written";
}

// A change that was half made cannot be undone here, and may have removed a lock.
TEST_F(ReadOnlyCatalog, AJournalThatCannotBeAppliedIsAnErrorAndNotIgnored) {
  leave_journal(path_, "DELETE FROM instance_locks");
  shut();
  const auto catalog = Catalog::open(path_);
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, Errc::kIo);
  EXPECT_THAT(words_of(catalog.error()), HasSubstr("-journal"));
  unshut();
  EXPECT_TRUE(is_locked(*open()));
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
  fs::create_directory(folder);
  const std::string path = folder + "/catalog.db";
  fs::copy_file(path_, path);
  shut(path);
  const auto catalog = Catalog::open(path);
  ASSERT_TRUE(catalog) << catalog.error().to_string();
  EXPECT_EQ(rows(**catalog), 2U);
}

}  // namespace
}  // namespace blkrewind::control
