// The rule that tells a registered device from another one under its name.
#include "io/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace blkrewind::io {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

DeviceIdentity virtio() {
  DeviceIdentity identity;
  identity.diskseq = 7;
  identity.boot_id = "boot-a";
  identity.filesystem_uuid = "fs-1";
  identity.filesystem_type = "ext4";
  return identity;
}

DeviceIdentity with_serial() {
  DeviceIdentity identity = virtio();
  identity.serial = "S1";
  identity.wwn = "naa.5000";
  return identity;
}

DeviceIdentity loop() {
  DeviceIdentity identity = virtio();
  identity.backing_file = "/images/a.img";
  identity.backing_id = {.device = 0xfe00, .inode = 12};
  return identity;
}

IdentityCheck check(const DeviceIdentity& then, const DeviceIdentity& now,
                    DeviceKind kind = DeviceKind::kBlock) {
  DeviceInfo info;
  info.kind = kind;
  info.path = "/dev/target";
  info.identity = now;
  return compare_identity(info, kind, then);
}

DeviceIdentity other_boot(DeviceIdentity identity) {
  identity.boot_id = "boot-b";
  identity.diskseq = 99;
  return identity;
}

TEST(Identity, EqualIsTheSame) {
  for (const DeviceIdentity& identity : {virtio(), with_serial(), loop(), DeviceIdentity()}) {
    const IdentityCheck result = check(identity, identity);
    EXPECT_TRUE(result.same) << result.difference;
    EXPECT_THAT(result.difference, IsEmpty());
  }
}

TEST(Identity, ADifferenceNamesThenAndNow) {
  DeviceIdentity now = with_serial();
  now.serial = "S2";
  const IdentityCheck result = check(with_serial(), now);
  EXPECT_FALSE(result.same);
  EXPECT_THAT(result.difference, HasSubstr("S1"));
  EXPECT_THAT(result.difference, HasSubstr("S2"));
}

TEST(Identity, EachStableFactDecides) {
  for (const auto fact : {&DeviceIdentity::serial, &DeviceIdentity::wwn, &DeviceIdentity::dm_uuid,
                          &DeviceIdentity::partition_uuid}) {
    DeviceIdentity then = virtio();
    then.*fact = "known";
    DeviceIdentity now = then;
    EXPECT_TRUE(check(then, now).same);
    now.*fact = "another";
    EXPECT_FALSE(check(then, now).same);
    now.*fact = "";
    EXPECT_FALSE(check(then, now).same);
  }
}

TEST(Identity, AFactThatIsKnownOnlyNowDoesNotCount) {
  EXPECT_TRUE(check(virtio(), with_serial()).same);
}

TEST(Identity, ContentNeverOverrulesAStableFact) {
  DeviceIdentity now = other_boot(with_serial());
  now.filesystem_uuid = "fs-2";
  now.table_uuid = "table-2";
  EXPECT_TRUE(check(with_serial(), now).same);
}

TEST(Identity, WithoutStableFactsDiskseqDecidesInTheSameBoot) {
  DeviceIdentity now = virtio();
  now.filesystem_uuid = "fs-2";  // mkfs since the snapshot
  EXPECT_TRUE(check(virtio(), now).same);
  now = virtio();
  now.diskseq = 8;  // the same content, attached anew: may be another disk
  EXPECT_FALSE(check(virtio(), now).same);
}

TEST(Identity, WithoutStableFactsContentDecidesInAnotherBoot) {
  EXPECT_TRUE(check(virtio(), other_boot(virtio())).same);
  DeviceIdentity now = other_boot(virtio());
  now.filesystem_uuid = "fs-2";
  EXPECT_FALSE(check(virtio(), now).same);
  now.filesystem_uuid = "";
  EXPECT_FALSE(check(virtio(), now).same);

  DeviceIdentity with_table = virtio();
  with_table.table_uuid = "table-1";
  now = other_boot(with_table);
  now.filesystem_uuid = "";
  EXPECT_TRUE(check(with_table, now).same) << "one identifier found again is enough";
  now.table_uuid = "table-2";
  EXPECT_FALSE(check(with_table, now).same);
}

TEST(Identity, WithNothingToGoByTheNameIsBelieved) {
  DeviceIdentity blank = virtio();
  blank.filesystem_uuid = "";
  EXPECT_TRUE(check(blank, other_boot(virtio())).same);
}

TEST(Identity, ALoopDeviceIsItsBackingFile) {
  DeviceIdentity attached_again = loop();
  attached_again.diskseq = 8;
  attached_again.filesystem_uuid = "fs-2";
  EXPECT_TRUE(check(loop(), attached_again).same);

  DeviceIdentity other_file = loop();
  other_file.backing_file = "/images/b.img";
  other_file.backing_id.inode = 13;
  const IdentityCheck result = check(loop(), other_file);
  EXPECT_FALSE(result.same);
  EXPECT_THAT(result.difference, HasSubstr("/images/a.img"));
  EXPECT_THAT(result.difference, HasSubstr("/images/b.img"));

  DeviceIdentity renamed = loop();
  renamed.backing_file = "/images/renamed.img";
  EXPECT_TRUE(check(loop(), renamed).same);

  DeviceIdentity moved = loop();
  moved.backing_offset = 1048576;
  EXPECT_FALSE(check(loop(), moved).same);
}

TEST(Identity, BecomingALoopDeviceOrCeasingToBeOneIsADifference) {
  EXPECT_FALSE(check(virtio(), loop()).same);
  EXPECT_FALSE(check(loop(), virtio()).same);
}

TEST(Identity, AFileSystemUnderAnotherNumberNeedsThePathAndTheContent) {
  DeviceIdentity now = other_boot(loop());
  now.backing_id.device = 0xfe01;
  EXPECT_TRUE(check(loop(), now).same);
  now.filesystem_uuid = "fs-2";
  EXPECT_FALSE(check(loop(), now).same);
  now = other_boot(loop());
  now.backing_id.device = 0xfe01;
  now.backing_file = "/elsewhere/a.img";
  EXPECT_FALSE(check(loop(), now).same);
}

TEST(Identity, ALoopOverABlockDevice) {
  DeviceIdentity then = loop();
  then.backing_file = "/dev/vdb";
  then.backing_id = {.device = 0xfe10, .inode = 0};
  EXPECT_TRUE(check(then, then).same);
  DeviceIdentity now = then;
  now.backing_file = "/dev/vdc";
  now.backing_id.device = 0xfe20;
  EXPECT_FALSE(check(then, now).same);
  EXPECT_FALSE(check(then, loop()).same) << "over a file now";
}

TEST(Identity, AnImageFileReplacedByAnotherOfItsName) {
  DeviceIdentity then;
  then.backing_id = {.device = 0xfe00, .inode = 12};
  EXPECT_TRUE(check(then, then, DeviceKind::kFile).same);
  DeviceIdentity now = then;
  now.backing_id.inode = 13;
  const IdentityCheck result = check(then, now, DeviceKind::kFile);
  EXPECT_FALSE(result.same);
  EXPECT_THAT(result.difference, HasSubstr("inode 12"));
  EXPECT_THAT(result.difference, HasSubstr("inode 13"));
}

TEST(Identity, TheKindMustBeTheSame) {
  DeviceInfo now;
  now.kind = DeviceKind::kFile;
  now.identity = loop();
  EXPECT_FALSE(compare_identity(now, DeviceKind::kBlock, loop()).same);
  now.kind = DeviceKind::kBlock;
  EXPECT_FALSE(compare_identity(now, DeviceKind::kFile, loop()).same);
}

}  // namespace
}  // namespace blkrewind::io
