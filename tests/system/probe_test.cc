// The probe against real devices: size, identity, kinds.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

host::FileId id_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return {.device = status.st_dev, .inode = status.st_ino};
}

TEST_F(ProbeSystem, AFreeLoopDevice) {
  const LoopDevice loop = make_loop("disk.img", 64 * kMiB);
  const host::DeviceInfo info = probe(loop.path());
  struct stat node {};
  ASSERT_EQ(::stat(loop.path().c_str(), &node), 0);
  EXPECT_EQ(info.kind, host::DeviceKind::kBlock);
  EXPECT_EQ(info.path, loop.path());
  EXPECT_EQ(info.real_path, loop.path());
  EXPECT_EQ(info.size_bytes, 64 * kMiB);
  EXPECT_EQ(info.logical_sector_bytes, 512U);
  EXPECT_EQ(makedev(info.major, info.minor), node.st_rdev);
  EXPECT_FALSE(info.read_only);
  EXPECT_THAT(info, IsFree());
  EXPECT_EQ(info.identity.backing_file, directory_.file("disk.img"));
  EXPECT_EQ(info.identity.backing_id, id_of(directory_.file("disk.img")));
  EXPECT_EQ(info.identity.backing_offset, 0U);
  EXPECT_NE(info.identity.diskseq, 0U);
  EXPECT_EQ(info.identity.boot_id.size(), 36U);
  EXPECT_THAT(info.identity.filesystem_uuid, IsEmpty());
}

TEST_F(ProbeSystem, SymbolicLinksAreFollowed) {
  const LoopDevice loop = make_loop("disk.img");
  const std::string link = directory_.file("link");
  std::filesystem::create_symlink(loop.path(), link);
  const host::DeviceInfo info = probe(link);
  EXPECT_EQ(info.path, link);
  EXPECT_EQ(info.real_path, loop.path());
}

TEST_F(ProbeSystem, SectorsOf4096Bytes) {
  const LoopDevice loop = LoopDevice::make(directory_.file("disk.img"), 16 * kMiB, 4096);
  EXPECT_EQ(probe(loop.path()).logical_sector_bytes, 4096U);
}

TEST_F(ProbeSystem, AReadOnlyLoopDevice) {
  const LoopDevice loop =
      LoopDevice::make(directory_.file("disk.img"), 16 * kMiB, 512, {.read_only = true});
  EXPECT_TRUE(probe(loop.path()).read_only);
}

TEST_F(ProbeSystem, ReattachedToTheSameFileOnlyDiskseqMoves) {
  make_sparse_file(directory_.file("disk.img"), 16 * kMiB);
  LoopDevice first = make_loop("disk.img", 0);
  const host::DeviceInfo before = probe(first.path());
  first.detach();
  const LoopDevice second = make_loop("disk.img", 0);
  const host::DeviceInfo after = probe(second.path());
  EXPECT_EQ(after.identity.backing_id, before.identity.backing_id);
  EXPECT_NE(after.identity.diskseq, before.identity.diskseq);
}

TEST_F(ProbeSystem, ARemovedBackingFileIsStillKnown) {
  const LoopDevice loop = make_loop("disk.img");
  const host::FileId backing = id_of(directory_.file("disk.img"));
  std::filesystem::remove(directory_.file("disk.img"));
  const host::DeviceInfo info = probe(loop.path());
  EXPECT_EQ(info.identity.backing_id, backing);
  EXPECT_EQ(info.identity.backing_file, directory_.file("disk.img"));
}

TEST_F(ProbeSystem, ContentIsIdentified) {
  const LoopDevice loop = make_loop("disk.img");
  const std::string uuid = "01234567-89ab-cdef-0123-456789abcdef";
  run_program({"mkfs.ext4", "-q", "-U", uuid, loop.path()});
  for (const std::string& path : {loop.path(), directory_.file("disk.img")}) {
    const host::DeviceInfo info = probe(path);
    EXPECT_EQ(info.identity.filesystem_uuid, uuid) << path;
    EXPECT_EQ(info.identity.filesystem_type, "ext4") << path;
  }
}

TEST_F(ProbeSystem, AmbiguousContentIsLeftEmpty) {
  // btrfs, with the superblock of an ext4 in the place that btrfs leaves free: libblkid trusts
  // both.
  const LoopDevice loop = make_loop("disk.img", 200 * kMiB);
  const LoopDevice other = make_loop("other.img");
  run_program({"mkfs.btrfs", "-q", loop.path()});
  ASSERT_EQ(probe(loop.path()).identity.filesystem_type, "btrfs");
  run_program({"mkfs.ext4", "-q", other.path()});
  run_program({"dd", "if=" + other.path(), "of=" + loop.path(), "bs=1024", "skip=1", "seek=1",
               "count=1", "conv=notrunc", "status=none"});
  const host::DeviceInfo info = probe(loop.path());
  EXPECT_EQ(info.size_bytes, 200 * kMiB);
  EXPECT_THAT(info.identity.filesystem_uuid, IsEmpty());
  EXPECT_THAT(info.identity.filesystem_type, IsEmpty());
}

TEST_F(ProbeSystem, PartitionsKnowTheirEntryAndTheirPlace) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const host::DeviceInfo disk = probe(loop.path());
  const host::DeviceInfo first = probe(partitions.path(1));
  const host::DeviceInfo second = probe(partitions.path(2));
  EXPECT_THAT(disk.identity.table_uuid, Not(IsEmpty()));
  EXPECT_THAT(disk.identity.partition_uuid, IsEmpty());
  EXPECT_THAT(first.identity.partition_uuid, Not(IsEmpty()));
  EXPECT_NE(first.identity.partition_uuid, second.identity.partition_uuid);
  EXPECT_EQ(first.size_bytes, 24 * kMiB);
  EXPECT_EQ(first.identity.diskseq, disk.identity.diskseq);
  EXPECT_EQ(first.identity.backing_id, disk.identity.backing_id);
  EXPECT_EQ(first.identity.backing_offset, 1 * kMiB);
  EXPECT_EQ(second.identity.backing_offset, 25 * kMiB);
  EXPECT_THAT(disk, IsFree());
  EXPECT_THAT(first, IsFree());
}

TEST_F(ProbeSystem, ALoopOverALoop) {
  const LoopDevice lower = make_loop("disk.img");
  const LoopDevice upper = LoopDevice::make(lower.path(), 0);
  struct stat node {};
  ASSERT_EQ(::stat(lower.path().c_str(), &node), 0);
  EXPECT_EQ(probe(upper.path()).identity.backing_id,
            (host::FileId{.device = node.st_rdev, .inode = 0}));
}

TEST(Probe, AnImageFile) {
  const TempDir directory;
  const std::string path = directory.file("disk.img");
  make_sparse_file(path, 3 * kMiB + 1);
  const auto info = host::probe_device(path);
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->kind, host::DeviceKind::kFile);
  EXPECT_EQ(info->size_bytes, 3 * kMiB + 1);
  EXPECT_EQ(info->identity.backing_id, id_of(path));
  EXPECT_FALSE(info->read_only);
  EXPECT_THAT(*info, IsFree());
}

TEST_F(ProbeSystem, AnImageFileOnAReadOnlyMount) {
  const LoopDevice loop = make_loop("disk.img");
  run_program({"mkfs.ext4", "-q", loop.path()});
  const std::string mount_point = make_directory("mount");
  {
    const Mount writable(loop.path(), mount_point, "ext4");
    make_sparse_file(mount_point + "/image", kMiB);
  }
  run_program({"mount", "-o", "ro", loop.path(), mount_point});
  const host::DeviceInfo info = probe(mount_point + "/image");
  run_program({"umount", mount_point});
  EXPECT_TRUE(info.read_only);
}

TEST(Probe, NothingOfThatName) {
  const TempDir directory;
  const auto info = host::probe_device(directory.file("absent"));
  ASSERT_FALSE(info.has_value());
  EXPECT_EQ(info.error().code, Errc::kNotFound);
  EXPECT_THAT(info.error().message, HasSubstr(directory.file("absent")));
}

TEST(Probe, OtherKindsAreRefused) {
  const TempDir directory;
  const std::string fifo = directory.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& [path, kind] :
       {std::pair{directory.path(), "a directory"}, std::pair{fifo, "a named pipe"},
        std::pair{std::string("/dev/null"), "a character device"}}) {
    const auto info = host::probe_device(path);
    ASSERT_FALSE(info.has_value()) << path;
    EXPECT_EQ(info.error().code, Errc::kInvalidArgument);
    EXPECT_THAT(info.error().message,
                HasSubstr(path + " is " + kind + ", not a block device or an image file"));
  }
}

}  // namespace
}  // namespace blkrewind::test
