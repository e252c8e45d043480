// The catalog: what survives, and which changes are refused.
#include "support/errors.h"
#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(CatalogTest, EverythingIsThereAfterReopening) {
  {
    auto catalog = open();
    ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 100)));
    ASSERT_TRUE(ok(catalog->set_status("i-1", kRunning)));
    ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
    ASSERT_TRUE(ok(catalog->lock_instance("i-1", "financial")));
    InstanceChange change;
    change.expires_at = 777;
    change.in_arrears = true;
    ASSERT_TRUE(ok(catalog->change_instance("i-1", change)));
    ASSERT_TRUE(ok(catalog->create_instance("i-2", "", 101)));
    ASSERT_TRUE(ok(catalog->detach("d-1", 50, 200, 1)));
    ASSERT_TRUE(ok(catalog->attach("d-1", "i-2", 201)));
    ASSERT_TRUE(ok(catalog->detach("d-1", 50, 300, 1)));
    ASSERT_TRUE(ok(catalog->attach("d-1", "i-2", 301)));
  }
  auto catalog = open();
  const auto rows = catalog->instances();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3U);
  const InstanceRow& one = (*rows)[1];
  EXPECT_EQ(one.id, "i-1");
  EXPECT_EQ(one.name, "one");
  EXPECT_EQ(one.status, kRunning);
  EXPECT_THAT(one.locks, ElementsAre("financial", "security"));
  EXPECT_EQ(one.expires_at, 777);
  EXPECT_TRUE(one.in_arrears);
  EXPECT_EQ(one.created_at, 100);
  EXPECT_EQ((*rows)[2].status, kStopped);
  const auto disk = catalog->attachment("d-1");
  ASSERT_TRUE(disk && *disk);
  EXPECT_EQ((*disk)->instance_id, "i-2");
  EXPECT_EQ((*disk)->attached_at, 301);
  EXPECT_EQ((*disk)->first_detached_at, 200);
  EXPECT_EQ((*disk)->detached_at, 300);
  EXPECT_EQ(catalog->attachments()->size(), 1U);
}

TEST_F(CatalogTest, ChangingOneFieldKeepsTheOthers) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "one", 1)));
  InstanceChange change;
  change.in_arrears = true;
  ASSERT_TRUE(ok(catalog->change_instance("i-1", change)));
  change = {};
  change.name = "two";
  ASSERT_TRUE(ok(catalog->change_instance("i-1", change)));
  const auto row = catalog->instance("i-1");
  ASSERT_TRUE(row && *row);
  EXPECT_EQ((*row)->name, "two");
  EXPECT_TRUE((*row)->in_arrears);
  EXPECT_EQ((*row)->expires_at, 0);
}

TEST_F(CatalogTest, LocalInstanceCanBeLockedButNeitherStartedNorDeleted) {
  auto catalog = open();
  EXPECT_TRUE(refused_with(catalog->set_status("i-local", kStopped), "IncorrectInstanceStatus"));
  EXPECT_TRUE(refused_with(catalog->delete_instance("i-local", {}), "IncorrectInstanceStatus"));
  EXPECT_FALSE(catalog->create_instance("i-local", "", 1));
  ASSERT_TRUE(ok(catalog->lock_instance("i-local", "security")));
  InstanceChange change;
  change.expires_at = 9;
  change.in_arrears = true;
  ASSERT_TRUE(ok(catalog->change_instance("i-local", change)));
  const auto row = catalog->instance("i-local");
  ASSERT_TRUE(row && *row);
  EXPECT_TRUE((*row)->has_lock("security"));
  EXPECT_TRUE((*row)->in_arrears);
  EXPECT_EQ((*row)->expires_at, 9);
  EXPECT_EQ((*row)->status, "") << "its status is observed, never recorded";
}

TEST_F(CatalogTest, StartAndStopFollowTheApi) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  EXPECT_TRUE(refused_with(catalog->set_status("i-1", kStopped), "IncorrectInstanceStatus"));
  ASSERT_TRUE(ok(catalog->set_status("i-1", kRunning)));
  EXPECT_TRUE(refused_with(catalog->set_status("i-1", kRunning), "IncorrectInstanceStatus"));
  ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
  EXPECT_TRUE(refused_with(catalog->set_status("i-1", kStopped), "InstanceLockedForSecurity"));
  ASSERT_TRUE(ok(catalog->unlock_instance("i-1", "security")));
  EXPECT_TRUE(ok(catalog->set_status("i-1", kStopped)));
  EXPECT_TRUE(refused_with(catalog->set_status("i-9", kStopped), "InvalidInstanceId.NotFound"));
}

TEST_F(CatalogTest, LocksAreASet) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
  ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
  const Status absent = catalog->unlock_instance("i-1", "financial");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Errc::kNotFound);
  EXPECT_THAT(words_of(absent.error()), HasSubstr("security"));
  ASSERT_TRUE(ok(catalog->unlock_instance("i-1", "security")));
  EXPECT_FALSE(catalog->unlock_instance("i-1", "security"));
  EXPECT_THAT((*catalog->instance("i-1"))->locks, IsEmpty());
  EXPECT_TRUE(
      refused_with(catalog->lock_instance("i-9", "security"), "InvalidInstanceId.NotFound"));
}

TEST_F(CatalogTest, DisksAreAttachedToOneInstanceAtATime) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  EXPECT_TRUE(refused_with(catalog->attach("d-1", "i-1", 2), "IncorrectDiskStatus"))
      << "it belongs to i-local";
  ASSERT_TRUE(ok(catalog->detach("d-1", 1, 3, 1)));
  EXPECT_TRUE(refused_with(catalog->detach("d-1", 1, 3, 1), "IncorrectDiskStatus"));
  EXPECT_TRUE(refused_with(catalog->attach("d-1", "i-9", 4), "InvalidInstanceId.NotFound"));
  ASSERT_TRUE(ok(catalog->attach("d-1", "i-1", 4)));
  EXPECT_TRUE(refused_with(catalog->attach("d-1", "i-local", 5), "IncorrectDiskStatus"));
  ASSERT_TRUE(ok(catalog->lock_instance("i-1", "security")));
  EXPECT_TRUE(refused_with(catalog->detach("d-1", 1, 6, 1), "InstanceLockedForSecurity"))
      << "else a detach would evade the lock";
  ASSERT_TRUE(ok(catalog->unlock_instance("i-1", "security")));
  ASSERT_TRUE(ok(catalog->detach("d-1", 1, 6, 1)));
  ASSERT_TRUE(ok(catalog->attach("d-1", "i-local", 7)));
}

TEST_F(CatalogTest, DeletingAnInstanceNeedsItStoppedAndWithoutDisks) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "", 1)));
  ASSERT_TRUE(ok(catalog->detach("d-1", 1, 2, 1)));
  ASSERT_TRUE(ok(catalog->attach("d-1", "i-1", 3)));
  ASSERT_TRUE(ok(catalog->set_status("i-1", kRunning)));
  const std::vector<std::string> disks = {"d-1", "d-2"};
  EXPECT_TRUE(refused_with(catalog->delete_instance("i-1", disks), "IncorrectInstanceStatus"));
  ASSERT_TRUE(ok(catalog->set_status("i-1", kStopped)));
  const Status attached = catalog->delete_instance("i-1", disks);
  ASSERT_FALSE(attached);
  EXPECT_THAT(words_of(attached.error()), HasSubstr("disk detach d-1"));
  ASSERT_TRUE(catalog->instance("i-1") && *catalog->instance("i-1")) << "and it is still there";
  // The store no longer has the disk: its rows in the catalog block nothing.
  EXPECT_TRUE(ok(catalog->delete_instance("i-1", {})));
  EXPECT_EQ(*catalog->attachment("d-1"), std::nullopt);
  EXPECT_TRUE(refused_with(catalog->delete_instance("i-1", {}), "InvalidInstanceId.NotFound"));
}

TEST_F(CatalogTest, SameIdTwiceIsRefused) {
  auto catalog = open();
  ASSERT_TRUE(ok(catalog->create_instance("i-1", "first", 1)));
  const Status again = catalog->create_instance("i-1", "second", 2);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kAlreadyExists);
  EXPECT_EQ((*catalog->instance("i-1"))->name, "first");
}

}  // namespace
}  // namespace blkrewind::control
