// Which names a mount shows, and for how long a name is the same file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "cli/mount/listing.h"
#include "cli/mount/mount_table.h"
#include "cli/mount/snapshot_tree.h"

namespace blkrewind::cli {
namespace {

using testing::ElementsAre;

ListedDisk disk_at(const std::string& id, const std::string& path,
                   std::vector<ListedSnapshot> snapshots = {}) {
  return {
      .id = id, .path = path, .changed_at = 0, .readable = true, .snapshots = std::move(snapshots)};
}

ListedSnapshot snapshot_of(const std::string& id, const std::string& name) {
  return {.id = id, .name = name, .created_at = 7, .size_bytes = 100, .data_bytes = 60};
}

TEST(MountNames, AreTheLastComponentsOfPaths) {
  EXPECT_THAT(folder_names({disk_at("d-1", "/dev/loop0"), disk_at("d-2", "/srv/disk.img")}),
              ElementsAre("loop0", "disk.img"));
}

TEST(MountNames, HaveTheIdBehindWhatIsNotUnique) {
  EXPECT_THAT(folder_names({disk_at("d-1", "/a/x"), disk_at("d-2", "/b/x"), disk_at("d-3", "/c")}),
              ElementsAre("x.d-1", "x.d-2", "c"));
  EXPECT_THAT(folder_names({disk_at("d-1", "/a/by-id")}), ElementsAre("by-id.d-1"));
  // The path of a third disk ends as the name of the first would.
  EXPECT_THAT(
      folder_names({disk_at("d-1", "/a/x"), disk_at("d-2", "/b/x"), disk_at("d-3", "/x.d-1")}),
      ElementsAre("d-1", "x.d-2", "x.d-1"));
}

TEST(MountNames, ArePartsOfAPathAndNoPath) {
  const std::string zero(1, '\0');
  EXPECT_THAT(folder_names({disk_at("d-1", ""), disk_at("d-2", "/a/"), disk_at("d-3", "/.."),
                            disk_at("d-4", "."), disk_at("d-5", "/a" + zero + "b"),
                            disk_at("d-6", "/" + std::string(256, 'a'))}),
              ElementsAre(".d-1", ".d-2", "d-3", "d-4", "d-5", "d-6"));
  EXPECT_EQ(file_name(snapshot_of("s-1", "before")), "before.img");
  for (const std::string& name :
       {std::string(), "../../etc/passwd" + std::string(), "a" + zero, std::string(252, 'a')}) {
    EXPECT_EQ(file_name(snapshot_of("s-1", name)), "s-1.img") << name;
  }
}

class MountTree : public testing::Test {
 protected:
  std::uint64_t number(const std::string& folder, const std::string& file) {
    const auto inside = tree_.lookup(SnapshotTree::kRoot, folder);
    EXPECT_TRUE(inside.has_value());
    const auto found = inside ? tree_.lookup(inside->number, file) : inside;
    return found ? found->number : 0;
  }

  Listing listing_ = {disk_at("d-1", "/dev/vdb", {snapshot_of("s-1", "before")})};
  int lists_ = 0;
  std::vector<std::string> errors_;
  std::optional<Error> error_;
  std::function<void()> meanwhile_ = [] {};
  SnapshotTree tree_{listing_,
                     [this]() -> Result<Listing> {
                       ++lists_;
                       meanwhile_();
                       if (error_) return fail(*error_);
                       return listing_;
                     },
                     [this](const Error& error) { errors_.push_back(error.message); }};
};

TEST_F(MountTree, ASnapshotHasOneNumberUnderBothNames) {
  const std::uint64_t named = number("vdb", "before.img");
  EXPECT_NE(named, 0U);
  const auto by_id = tree_.lookup(SnapshotTree::kRoot, "by-id");
  const auto disk = tree_.lookup(by_id->number, "d-1");
  const auto file = tree_.lookup(disk->number, "s-1.img");
  EXPECT_EQ(file->number, named);
  EXPECT_EQ(file->size_bytes, 100U);
  EXPECT_EQ(file->data_bytes, 60U);
  EXPECT_EQ(file->changed_at, 7);
  EXPECT_FALSE(file->folder);
  EXPECT_EQ(*tree_.snapshot_id(named), "s-1");
  EXPECT_EQ(lists_, 0);
}

TEST_F(MountTree, WhatIsNotThereIsListedAnew) {
  listing_[0].snapshots.push_back(snapshot_of("s-2", "after"));
  EXPECT_NE(number("vdb", "after.img"), 0U);
  EXPECT_EQ(lists_, 1);
  EXPECT_EQ(tree_.lookup(SnapshotTree::kRoot, "vdc").error(), ENOENT);
  EXPECT_EQ(lists_, 2);
}

TEST_F(MountTree, ANumberIsNeverThatOfAnotherSnapshot) {
  const std::uint64_t first = number("vdb", "before.img");
  listing_[0].snapshots = {snapshot_of("s-2", "before")};
  tree_.outdated();
  const std::uint64_t second = number("vdb", "before.img");
  EXPECT_NE(second, 0U);
  EXPECT_NE(second, first);
  EXPECT_EQ(tree_.attributes(first).error(), ESTALE);
  EXPECT_EQ(*tree_.snapshot_id(second), "s-2");
}

TEST_F(MountTree, AFolderIsListedEachTime) {
  const auto folder = tree_.lookup(SnapshotTree::kRoot, "vdb");
  EXPECT_EQ(tree_.entries(folder->number)->size(), 1U);
  listing_[0].snapshots.push_back(snapshot_of("s-2", ""));
  const auto entries = tree_.entries(folder->number);
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ(entries->at(1).name, "s-2.img");
  listing_.clear();
  EXPECT_EQ(tree_.entries(folder->number).error(), ESTALE);
}

TEST_F(MountTree, WhatIsNoFolderOrNoFileIsRefused) {
  const std::uint64_t file = number("vdb", "before.img");
  EXPECT_EQ(tree_.lookup(file, "x").error(), ENOTDIR);
  EXPECT_EQ(tree_.entries(file).error(), ENOTDIR);
  EXPECT_EQ(tree_.snapshot_id(SnapshotTree::kRoot).error(), EISDIR);
  EXPECT_EQ(tree_.attributes(4711).error(), ESTALE);
}

TEST_F(MountTree, AStoreThatCannotBeListedIsAnErrorAndTheMountPointStays) {
  Error error;
  error.message = "no store";
  error_ = error;
  EXPECT_EQ(tree_.entries(SnapshotTree::kRoot).error(), EIO);
  tree_.outdated();
  EXPECT_EQ(tree_.lookup(SnapshotTree::kRoot, "vdb").error(), EIO);
  EXPECT_TRUE(tree_.attributes(SnapshotTree::kRoot).has_value());
  EXPECT_THAT(errors_, ElementsAre("no store", "no store"));
}

TEST_F(MountTree, ADiskWhoseLogCannotBeReadIsAnErrorOfItsFolder) {
  listing_.push_back(disk_at("d-2", "/dev/vdc"));
  listing_.back().readable = false;
  const auto folder = tree_.lookup(SnapshotTree::kRoot, "vdc");
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(tree_.entries(folder->number).error(), EIO);
  EXPECT_EQ(tree_.lookup(folder->number, "x.img").error(), EIO);
  EXPECT_NE(number("vdb", "before.img"), 0U);
}

// A lister that looks at a file of the mount is waited for by nothing but itself.
TEST_F(MountTree, IsAnsweredWhileItIsListed) {
  bool answered = false;
  meanwhile_ = [&] {
    std::thread other([&] {
      answered = tree_.entries(SnapshotTree::kRoot).has_value() && number("vdb", "before.img") != 0;
    });
    other.join();
  };
  EXPECT_TRUE(tree_.entries(SnapshotTree::kRoot).has_value());
  EXPECT_TRUE(answered);
  EXPECT_EQ(lists_, 1);
}

TEST(MountTable, ReadsTheKernelsLines) {
  const auto lines = parse_mount_table(
      "44 27 0:40 / /mnt/two\\040words\\134 ro,nosuid - fuse.blkrewind blkrewind ro,user_id=0\n"
      "no line\n"
      "45 27 7:3 /sub /mnt/b rw shared:1 master:2 - ext4 /dev/loop3 rw\n");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].point, "/mnt/two words\\");
  EXPECT_EQ(lines[0].type, kMountType);
  EXPECT_EQ(lines[1].device, static_cast<dev_t>(0x703));
  EXPECT_EQ(lines[1].source, "/dev/loop3");
}

}  // namespace
}  // namespace blkrewind::cli
