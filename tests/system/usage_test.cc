// The users of a device: every kind of user, each with real devices.
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/loops.h"
#include "support/errors.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

class UsageSystem : public ProbeSystem {};

// A loop device on a part of a file.
class WindowOnFile {
 public:
  WindowOnFile(const std::string& file, std::uint64_t offset, std::uint64_t length) {
    run_program({"losetup", "--offset", std::to_string(offset), "--sizelimit",
                 std::to_string(length), "--find", file});
    const auto loops = host::ask_loop_devices().value();
    for (const host::LoopDevice& loop : loops) {
      if (loop.backing_file == file && loop.range == Extent{offset, length}) {
        path_ = loop.node;
      }
    }
  }
  ~WindowOnFile() {
    EXPECT_FALSE(path_.empty());
    EXPECT_NO_THROW(run_program({"losetup", "-d", path_}));
  }
  WindowOnFile(const WindowOnFile&) = delete;
  WindowOnFile& operator=(const WindowOnFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_F(UsageSystem, MountedFileSystems) {
  for (const std::string type : {"ext4", "xfs", "btrfs"}) {
    const LoopDevice loop = make_loop(type + ".img", 400 * kMiB);
    const std::string mount_point = make_directory("mount of " + type);
    run_program({"mkfs." + type, "-q", loop.path()});
    const Mount mount(loop.path(), mount_point, type);
    const host::DeviceInfo info = probe(loop.path());
    EXPECT_THAT(info, IsUsed("mounted on " + mount_point));
    ASSERT_EQ(info.used_by.size(), 1U);
    EXPECT_EQ(words_of(info.used_by[0].remedy), "unmount it: umount " + mount_point);
    EXPECT_THAT(probe(directory_.file(type + ".img")),
                IsUsed(loop.path() + " on it is mounted on " + mount_point));
  }
}

TEST_F(UsageSystem, EveryMemberOfABtrfsPool) {
  const LoopDevice first = make_loop("a.img", 200 * kMiB);
  const LoopDevice second = make_loop("b.img", 200 * kMiB);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.btrfs", "-q", first.path(), second.path()});
  run_program({"btrfs", "device", "scan", second.path()});
  const Mount mount(first.path(), mount_point, "btrfs", "device=" + second.path());
  EXPECT_THAT(probe(first.path()), IsUsed("mounted on " + mount_point));
  EXPECT_THAT(probe(second.path()), IsUsed("mounted on " + mount_point));
}

TEST_F(UsageSystem, SwapOnADevice) {
  const LoopDevice loop = make_loop("swap.img");
  const SwappedOn swap(loop.path());
  const host::DeviceInfo info = probe(loop.path());
  EXPECT_THAT(info, IsUsed("used as swap"));
  EXPECT_EQ(words_of(info.used_by.at(0).remedy), "stop swapping on it: swapoff " + loop.path());
}

TEST_F(UsageSystem, SwapInAFile) {
  const LoopDevice loop = make_loop("disk.img");
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", loop.path()});
  const Mount mount(loop.path(), mount_point, "ext4");
  make_sparse_file(mount_point + "/swap", kMiB);
  // The second as the kernel marks a file that is gone, which this one is not.
  for (const char* name : {"/swap file", "/swap (deleted)"}) {
    const std::string file = mount_point + name;
    run_program({"dd", "if=/dev/zero", "of=" + file, "bs=1M", "count=8", "status=none"});
    run_program({"chmod", "600", file});
    {
      const SwappedOn swap(file);
      EXPECT_THAT(probe(file), IsUsed("used as swap"));
      EXPECT_THAT(probe(mount_point + "/swap"), IsFree());
    }
    EXPECT_THAT(probe(file), IsFree());
  }
}

TEST_F(UsageSystem, LoopDevicesOnADeviceAndOnAFile) {
  const LoopDevice lower = make_loop("disk.img");
  {
    const LoopDevice upper = LoopDevice::make(lower.path(), 0);
    const host::DeviceInfo below = probe(lower.path());
    EXPECT_THAT(below, IsUsed("backs " + upper.path()));
    EXPECT_EQ(words_of(below.used_by.at(0).remedy), "detach it: losetup -d " + upper.path());
    EXPECT_THAT(probe(upper.path()), IsFree()) << "is not its own user";
    EXPECT_THAT(probe(directory_.file("disk.img")), IsUsed("backs " + lower.path()));
  }
  EXPECT_THAT(probe(lower.path()), IsFree());
}

TEST_F(UsageSystem, TheBackingDeviceOfALoopIsMounted) {
  const LoopDevice lower = make_loop("disk.img");
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", lower.path()});
  const Mount mount(lower.path(), mount_point, "ext4");
  const LoopDevice upper = LoopDevice::make(lower.path(), 0);
  EXPECT_THAT(probe(upper.path()),
              IsUsed("its backing device " + lower.path() + " is mounted on " + mount_point));
}

TEST_F(UsageSystem, TwoLoopDevicesOnOneFile) {
  const LoopDevice first = make_loop("disk.img");
  const LoopDevice second = make_loop("disk.img");
  EXPECT_THAT(probe(first.path()), IsUsed("its backing file backs " + second.path()));
  EXPECT_THAT(probe(second.path()), IsUsed("its backing file backs " + first.path()));
}

TEST_F(UsageSystem, TwoLoopDevicesOnDifferentPartsOfOneFile) {
  const std::string file = directory_.file("disk.img");
  make_sparse_file(file, 64 * kMiB);
  const WindowOnFile first(file, 0, 16 * kMiB);
  const WindowOnFile second(file, 16 * kMiB, 16 * kMiB);
  EXPECT_EQ(probe(second.path()).identity.backing_offset, 16 * kMiB);
  EXPECT_THAT(probe(first.path()), IsFree());
  EXPECT_THAT(probe(second.path()), IsFree());
  const WindowOnFile both(file, 15 * kMiB, 2 * kMiB);
  EXPECT_THAT(probe(first.path()), IsUsed("its backing file backs " + both.path()));
  EXPECT_THAT(probe(second.path()), IsUsed("its backing file backs " + both.path()));
  EXPECT_THAT(probe(file), IsUsed("backs " + first.path()));
}

TEST_F(UsageSystem, AMountedPartitionOccupiesItsDiskButNotItsSibling) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", partitions.path(1)});
  const Mount mount(partitions.path(1), mount_point, "ext4");
  EXPECT_THAT(probe(partitions.path(1)), IsUsed("mounted on " + mount_point));
  EXPECT_THAT(probe(loop.path()),
              IsUsed("partition " + partitions.path(1) + " is mounted on " + mount_point));
  EXPECT_THAT(probe(partitions.path(2)), IsFree());
}

TEST_F(UsageSystem, APartitionThatBacksALoopDevice) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const LoopDevice upper = LoopDevice::make(partitions.path(2), 0);
  EXPECT_THAT(probe(loop.path()),
              IsUsed("partition " + partitions.path(2) + " backs " + upper.path()));
  EXPECT_THAT(probe(partitions.path(1)), IsFree());
}

TEST_F(UsageSystem, AWholeDiskInUseOccupiesItsPartitions) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  {
    const LoopDevice upper = LoopDevice::make(loop.path(), 0);
    EXPECT_THAT(probe(partitions.path(1)),
                IsUsed("its whole disk " + loop.path() + " backs " + upper.path()));
  }
  const UniqueFd holder(::open(loop.path().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_TRUE(holder.valid());
  EXPECT_THAT(probe(partitions.path(1)), IsUsed("opened exclusively by another program"));
}

TEST_F(UsageSystem, AnExclusiveOpener) {
  const LoopDevice loop = make_loop("disk.img");
  {
    const UniqueFd holder(::open(loop.path().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    ASSERT_TRUE(holder.valid());
    EXPECT_THAT(probe(loop.path()), IsUsed("opened exclusively by another program"));
  }
  const UniqueFd onlooker(::open(loop.path().c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(onlooker.valid());
  EXPECT_THAT(probe(loop.path()), IsFree());
}

TEST_F(UsageSystem, AProbeLeavesTheDeviceFree) {
  const LoopDevice loop = make_loop("disk.img");
  EXPECT_THAT(probe(loop.path()), IsFree());
  const UniqueFd holder(::open(loop.path().c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  EXPECT_TRUE(holder.valid());
}

TEST(Usage, ALockedImageFile) {
  const TempDir directory;
  const std::string path = directory.file("disk.img");
  make_sparse_file(path, kMiB);
  const UniqueFd machine(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct flock byte {};
  byte.l_type = F_RDLCK;
  byte.l_whence = SEEK_SET;
  byte.l_start = 201;  // where QEMU places its own
  byte.l_len = 1;
  ASSERT_EQ(::fcntl(machine.get(), F_OFD_SETLK, &byte), 0);
  const auto info = host::probe_device(path);
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_THAT(*info, IsUsed("locked by another program, for example a running virtual machine"));
}

}  // namespace
}  // namespace blkrewind::test
