// The list of mounts: blanks in names, optional fields, and lines that make no sense.
#include "host/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <string>
#include <vector>

namespace blkrewind::host {
namespace {

TEST(Mountinfo, ReadsTheFieldsAroundOptionalOnes) {
  const auto read = parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=x\n"
      "37 35 7:1 / /mnt/plain rw - xfs /dev/loop1 rw\n");
  ASSERT_TRUE(read.has_value()) << read.error().to_string();
  const std::vector<Mount>& mounts = *read;
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].id, 36);
  EXPECT_EQ(mounts[0].parent, 35);
  EXPECT_EQ(mounts[0].device, makedev(98, 0));
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].mount_point, "/mnt/parent");
  EXPECT_EQ(mounts[0].type, "ext3");
  EXPECT_EQ(mounts[0].source, "/dev/root");
  EXPECT_EQ(mounts[0].super_options, "rw,errors=x");
  EXPECT_EQ(mounts[1].device, makedev(7, 1));
  EXPECT_EQ(mounts[1].type, "xfs");
}

TEST(Mountinfo, TakesEscapedBlanksBack) {
  const auto mounts =
      parse_mountinfo("1 0 7:0 / /mnt/a\\040b\\011c\\134d rw - ext4 /dev/loop\\0400 rw\n");
  ASSERT_TRUE(mounts.has_value()) << mounts.error().to_string();
  ASSERT_EQ(mounts->size(), 1U);
  EXPECT_EQ(mounts->front().mount_point, "/mnt/a b\tc\\d");
  EXPECT_EQ(mounts->front().source, "/dev/loop 0");
}

TEST(Mountinfo, LeavesHalfAnEscapeAsItIs) {
  const auto mounts =
      parse_mountinfo("1 0 0:40 / /a\\04 rw - overlay a\\0489 rw,upperdir=/u\\040v,workdir=/w\n");
  ASSERT_TRUE(mounts.has_value()) << mounts.error().to_string();
  ASSERT_EQ(mounts->size(), 1U);
  EXPECT_EQ(mounts->front().mount_point, "/a\\04") << "cut off";
  EXPECT_EQ(mounts->front().source, "a\\0489") << "not octal";
  EXPECT_EQ(mounts->front().super_options, "rw,upperdir=/u v,workdir=/w");
}

TEST(Mountinfo, KeepsEveryMountOfOnePlace) {
  const auto mounts = parse_mountinfo(
      "1 0 7:0 / /mnt rw - ext4 /dev/loop0 rw\n"
      "2 1 7:1 / /mnt rw - ext4 /dev/loop1 rw\n"
      "3 0 7:1 /sub /bound rw - ext4 LABEL=x rw\n"
      "4 0 0:40 / /empty rw - tmpfs  rw\n");
  ASSERT_TRUE(mounts.has_value()) << mounts.error().to_string();
  ASSERT_EQ(mounts->size(), 4U) << "below another one, bound, and without a source";
  EXPECT_EQ((*mounts)[1].device, makedev(7, 1));
  EXPECT_EQ((*mounts)[2].source, "LABEL=x");
  EXPECT_EQ((*mounts)[3].source, "");
}

// A mount that was left out would make its device look free.
TEST(Mountinfo, RefusesAListWithALineThatMakesNoSense) {
  const std::string sound = "1 0 7:0 / /mnt rw - ext4 /dev/loop0 rw\n";
  for (const std::string line :
       {"- - - - -\n", "1 0 7:0 / /mnt rw ext4 /dev/loop0 rw\n",
        "x 0 7:0 / /mnt rw - ext4 /dev/loop0 rw\n", "1 0 7 / /mnt rw - ext4 /dev/loop0 rw\n",
        "1 0 7:0 / /mnt rw - ext4\n", "/dev/loop0 /mnt ext4 rw 0 0\n"}) {
    for (const std::string& text : {line, sound + line, line + sound}) {
      const auto mounts = parse_mountinfo(text);
      ASSERT_FALSE(mounts.has_value()) << text;
      EXPECT_EQ(mounts.error().code, Errc::kIo);
    }
  }
  EXPECT_THAT(parse_mountinfo("").value(), ::testing::IsEmpty());
}

TEST(Mountinfo, AnOptionsValue) {
  const std::string options = "rw,logdev=/dev/sdb,swidth=0,nologdev=x,rtdev=/dev/sdc";
  EXPECT_EQ(option_value(options, "logdev"), "/dev/sdb");
  EXPECT_EQ(option_value(options, "rtdev"), "/dev/sdc");
  EXPECT_EQ(option_value(options, "dev"), "");
  EXPECT_EQ(option_value(options, "rw"), "");
  EXPECT_EQ(option_value("", "logdev"), "");
}

TEST(Mountinfo, ThisProcessHasARoot) {
  const auto mounts = read_mounts();
  ASSERT_TRUE(mounts.has_value()) << mounts.error().to_string();
  EXPECT_THAT(*mounts, ::testing::Contains(::testing::Field(&Mount::mount_point, "/")));
}

}  // namespace
}  // namespace blkrewind::host
