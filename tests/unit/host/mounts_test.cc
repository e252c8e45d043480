// The parsers of /proc: blanks in names, optional fields, and lines that make no sense.
#include "host/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace blkrewind::host {
namespace {

TEST(Mountinfo, ReadsTheFieldsAroundOptionalOnes) {
  const auto mounts = parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=x\n"
      "37 35 7:1 / /mnt/plain rw - xfs /dev/loop1 rw\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].id, 36);
  EXPECT_EQ(mounts[0].device, makedev(98, 0));
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
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].mount_point, "/mnt/a b\tc\\d");
  EXPECT_EQ(mounts[0].source, "/dev/loop 0");
  EXPECT_EQ(unescape_octal("a\\04"), "a\\04") << "cut off: left as it is";
  EXPECT_EQ(unescape_octal("a\\0489"), "a\\0489") << "not octal: left as it is";
}

TEST(Mountinfo, LeavesOutWhatMakesNoSense) {
  EXPECT_THAT(parse_mountinfo(""), ::testing::IsEmpty());
  EXPECT_THAT(parse_mountinfo("- - - - -\n1 0 7:0 / /mnt rw ext4 /dev/loop0 rw\n"
                              "x 0 7:0 / /mnt rw - ext4 /dev/loop0 rw\n"
                              "1 0 7 / /mnt rw - ext4 /dev/loop0 rw\n"),
              ::testing::IsEmpty());
}

TEST(Mountinfo, ThisProcessHasARoot) {
  const auto mounts = read_mounts();
  ASSERT_TRUE(mounts.has_value()) << mounts.error().to_string();
  EXPECT_THAT(*mounts, ::testing::Contains(::testing::Field(&Mount::mount_point, "/")));
}

}  // namespace
}  // namespace blkrewind::host
