// The file under /run: what is read is what was written, and nothing else is read.
#include "freeze/state_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>

#include "freeze/leftovers.h"
#include "support/read_file.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::test {
namespace {

freeze::FreezeRecord example_record() {
  freeze::FreezeRecord record;
  record.boot_id = "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb";
  record.pid = 4711;
  freeze::FrozenSuper first;
  first.super.id = makedev(7, 3);
  first.super.type = "ext4";
  first.super.mount_point = "/srv/with blank\nand line\\end\x7f";
  first.super.seen_by = 12;
  first.id = "00112233aabbccdd";
  freeze::FrozenSuper second = first;
  second.super.id = makedev(0, 47);
  second.super.type = "btrfs";
  second.super.mount_point = "/";
  second.super.seen_by = 0;
  record.supers = {first, second};
  return record;
}

TEST(FreezeStateFile, ReadsWhatItWrote) {
  const freeze::FreezeRecord record = example_record();
  const auto read = freeze::parse_record(freeze::to_text(record));
  ASSERT_TRUE(ok(read));
  EXPECT_EQ(read->boot_id, record.boot_id);
  EXPECT_EQ(read->pid, 4711);
  ASSERT_EQ(read->supers.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->supers[i].super.id, record.supers[i].super.id);
    EXPECT_EQ(read->supers[i].super.type, record.supers[i].super.type);
    EXPECT_EQ(read->supers[i].super.mount_point, record.supers[i].super.mount_point);
    EXPECT_EQ(read->supers[i].super.seen_by, record.supers[i].super.seen_by);
    EXPECT_EQ(read->supers[i].id, record.supers[i].id);
  }
}

TEST(FreezeStateFile, RefusesEveryPartOfIt) {
  const std::string text = freeze::to_text(example_record());
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {
    EXPECT_TRUE(failed(freeze::parse_record(text.substr(0, length)), Errc::kIntegrity)) << length;
  }
  EXPECT_TRUE(failed(freeze::parse_record(text + "more\n"), Errc::kIntegrity));
  EXPECT_TRUE(failed(freeze::parse_record("blkrewind-freeze 2\nboot x\nend\n"), Errc::kIntegrity));
}

TEST(FreezeStateFile, RefusesNumbersAndEscapesThatAreNone) {
  const std::string head = "blkrewind-freeze 1\nboot b\npid 1\nsuper ";
  EXPECT_TRUE(ok(freeze::parse_record(head + "7:0 ext4 ab 0 /x\nend\n")));
  for (const std::string line :
       {"7 ext4 ab 0 /x", "7:x ext4 ab 0 /x", "7:0 ext4 ab  /x", "7:0 ext4 ab 0 /x\\04",
        "7:0 ext4 ab 0 /x\\777", "7:0 ext4 ab 0 "}) {
    EXPECT_TRUE(failed(freeze::parse_record(head + line + "\nend\n"), Errc::kIntegrity)) << line;
  }
}

TEST(FreezeStateFile, IsLockedAsSoonAsItHasItsName) {
  const TempDir directory;
  const std::string folder = directory.file("a/b/frozen");
  std::filesystem::create_directory(directory.file("a"));
  const auto opened = freeze::open_state_folder(folder);
  ASSERT_TRUE(ok(opened));
  struct stat status {};
  ASSERT_EQ(::stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  auto state = freeze::write_state_file(opened->get(), example_record());
  ASSERT_TRUE(ok(state));
  const UniqueFd other(::open((folder + "/" + state->name).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), -1);
  state->file.reset();
  EXPECT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
}

TEST(FreezeStateFile, AFolderOfOthersIsRefused) {
  const TempDir directory;
  const std::string folder = directory.file("frozen");
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  EXPECT_TRUE(failed(freeze::open_state_folder(folder), Errc::kPrecondition));
  EXPECT_TRUE(failed(freeze::find_leftovers(folder), Errc::kPrecondition));
}

class FreezeLeftovers : public testing::Test {
 protected:
  [[nodiscard]] std::string put(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  TempDir directory_;
  const std::string folder_ = directory_.path();
};

TEST_F(FreezeLeftovers, WithoutAFolderThereAreNone) {
  const auto found = freeze::find_leftovers(folder_ + "/none");
  ASSERT_TRUE(ok(found));
  EXPECT_TRUE(found->empty());
}

TEST_F(FreezeLeftovers, ThoseOfEarlierBootsAndDamagedOnesAreRemoved) {
  const std::string old = put("freeze-1-1", freeze::to_text(example_record()));
  const std::string torn = put("freeze-1-2", "blkrewind-freeze 1\nboot ");
  const std::string foreign = put("something", "else");
  const auto found = freeze::find_leftovers(folder_);
  ASSERT_TRUE(ok(found));
  EXPECT_TRUE(found->empty());
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_FALSE(std::filesystem::exists(torn));
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST_F(FreezeLeftovers, ThoseOfThisBootAreFoundUnlessTheirOwnersLive) {
  freeze::FreezeRecord record = example_record();
  record.boot_id = read_file("/proc/sys/kernel/random/boot_id");
  record.boot_id.resize(record.boot_id.find('\n'));
  const std::string path = put("freeze-1-1", freeze::to_text(record));
  {
    const UniqueFd owner(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(owner.get(), LOCK_SH), 0);
    const auto found = freeze::find_leftovers(folder_);
    ASSERT_TRUE(ok(found));
    EXPECT_TRUE(found->empty());
  }
  {
    const auto found = freeze::find_leftovers(folder_);
    ASSERT_TRUE(ok(found));
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->front().record.pid, 4711);
    // And locked, so that a second one does not thaw it as well.
    EXPECT_TRUE(freeze::find_leftovers(folder_)->empty());
  }
  // None of its file systems exists: dropped.
  const auto thawed = freeze::thaw_leftovers(folder_);
  ASSERT_TRUE(ok(thawed));
  ASSERT_EQ(thawed->file_systems.size(), 2U);
  EXPECT_EQ(thawed->file_systems[0].type, "btrfs");  // in the reverse order
  EXPECT_EQ(thawed->file_systems[0].outcome, ThawOutcome::kNotMounted);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace blkrewind::test
