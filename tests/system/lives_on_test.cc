// Whether a directory is on a device: chains of partitions, loop devices and file systems.
#include "host/lives_on.h"

#include <filesystem>

#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

class LivesOnSystem : public ProbeSystem {
 protected:
  static bool lives_on(const std::string& directory, const std::string& device) {
    return lives_on(directory, probe(device));
  }
  // As on a disk that is not a loop device: its backing file cannot provide the answer.
  static bool lives_on_by_number(const std::string& directory, const std::string& device) {
    host::DeviceInfo info = probe(device);
    info.identity.backing_id = {};
    return lives_on(directory, info);
  }
  static bool lives_on(const std::string& directory, const host::DeviceInfo& device) {
    const auto answer = host::lives_on(directory, device);
    if (!answer) {
      ADD_FAILURE() << answer.error().to_string();
    }
    return answer.value_or(false);
  }
};

TEST_F(LivesOnSystem, TheFileSystemsOwnDeviceAndTheImageBehindIt) {
  for (const std::string type : {"ext4", "xfs", "btrfs"}) {
    const LoopDevice loop = make_loop(type + ".img", 400 * kMiB);
    const LoopDevice other = make_loop(type + "-other.img");
    const std::string mount_point = make_directory(type);
    run_program({"mkfs." + type, "-q", loop.path()});
    const Mount mount(loop.path(), mount_point, type);
    EXPECT_TRUE(lives_on(mount_point, loop.path())) << type;
    EXPECT_TRUE(lives_on(mount_point + "/not/yet", loop.path())) << type;
    EXPECT_TRUE(lives_on(mount_point, directory_.file(type + ".img"))) << type;
    EXPECT_FALSE(lives_on(mount_point, other.path())) << type;
    EXPECT_FALSE(lives_on(mount_point, directory_.file(type + "-other.img"))) << type;
    EXPECT_FALSE(lives_on(directory_.path(), loop.path())) << type;
    EXPECT_FALSE(lives_on(directory_.path(), directory_.file(type + ".img"))) << type;
  }
}

TEST_F(LivesOnSystem, ABtrfsSubvolumeAndEveryMemberOfThePool) {
  const LoopDevice first = make_loop("a.img", 200 * kMiB);
  const LoopDevice second = make_loop("b.img", 200 * kMiB);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.btrfs", "-q", first.path(), second.path()});
  const Mount mount(first.path(), mount_point, "btrfs", "device=" + second.path());
  run_program({"btrfs", "subvolume", "create", mount_point + "/sub"});
  for (const std::string& directory : {mount_point, mount_point + "/sub"}) {
    EXPECT_TRUE(lives_on(directory, first.path())) << directory;
    EXPECT_TRUE(lives_on(directory, second.path())) << directory;
  }
}

TEST_F(LivesOnSystem, ThroughLoopDevicesOnFilesOnFileSystems) {
  const LoopDevice outer = make_loop("outer.img", 400 * kMiB);
  const std::string outer_mount_point = make_directory("outer");
  run_program({"mkfs.btrfs", "-q", outer.path()});
  const Mount outer_mount(outer.path(), outer_mount_point, "btrfs");
  const std::string inner_image = outer_mount_point + "/inner.img";
  const LoopDevice inner = LoopDevice::make(inner_image, 32 * kMiB);
  const LoopDevice innermost = LoopDevice::make(inner.path(), 0);
  run_program({"mkfs.ext4", "-q", innermost.path()});
  const std::string inner_mount_point = make_directory("inner");
  const Mount inner_mount(innermost.path(), inner_mount_point, "ext4");
  for (const std::string& target :
       {innermost.path(), inner.path(), inner_image, outer.path(), directory_.file("outer.img")}) {
    EXPECT_TRUE(lives_on(inner_mount_point, target)) << target;
  }
  EXPECT_FALSE(lives_on(outer_mount_point, inner.path()));
  EXPECT_FALSE(lives_on(outer_mount_point, inner_image));
}

TEST_F(LivesOnSystem, APartitionLivesOnItsDiskButNotOnItsSibling) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", partitions.path(1)});
  const Mount mount(partitions.path(1), mount_point, "ext4");
  EXPECT_TRUE(lives_on(mount_point, partitions.path(1)));
  EXPECT_TRUE(lives_on(mount_point, loop.path()));
  EXPECT_TRUE(lives_on(mount_point, directory_.file("disk.img")));
  EXPECT_FALSE(lives_on(mount_point, partitions.path(2)));
  EXPECT_TRUE(lives_on_by_number(mount_point, partitions.path(1)));
  EXPECT_TRUE(lives_on_by_number(mount_point, loop.path()));
  EXPECT_FALSE(lives_on_by_number(mount_point, partitions.path(2)));
}

TEST_F(LivesOnSystem, AFileSystemOnTheWholeDiskLivesOnItsPartitions) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const LoopDevice window = LoopDevice::make(loop.path(), 0);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", "-F", window.path()});
  const Mount mount(window.path(), mount_point, "ext4");
  EXPECT_TRUE(lives_on(mount_point, partitions.path(2)));
  EXPECT_TRUE(lives_on_by_number(mount_point, partitions.path(2)));
}

TEST_F(LivesOnSystem, ThroughAnotherLoopDeviceOnTheSameBytes) {
  const LoopDevice first = make_loop("disk.img");
  const LoopDevice second = make_loop("disk.img");
  const LoopDevice window = LoopDevice::make(first.path(), 0);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", first.path()});
  const Mount mount(first.path(), mount_point, "ext4");
  EXPECT_TRUE(lives_on(mount_point, second.path()));
  EXPECT_TRUE(lives_on(mount_point, window.path()));
}

TEST_F(LivesOnSystem, ARemovedBackingFile) {
  const LoopDevice outer = make_loop("outer.img");
  const std::string outer_mount_point = make_directory("outer");
  run_program({"mkfs.ext4", "-q", outer.path()});
  const Mount outer_mount(outer.path(), outer_mount_point, "ext4");
  const LoopDevice inner = LoopDevice::make(outer_mount_point + "/inner.img", 16 * kMiB);
  run_program({"mkfs.ext4", "-q", inner.path()});
  const std::string inner_mount_point = make_directory("inner");
  const Mount inner_mount(inner.path(), inner_mount_point, "ext4");
  std::filesystem::remove(outer_mount_point + "/inner.img");
  EXPECT_TRUE(lives_on(inner_mount_point, outer.path()));
}

TEST_F(LivesOnSystem, AnOverlayLivesWhereItsUpperLayerDoes) {
  const LoopDevice loop = make_loop("disk.img");
  const std::string upper = make_directory("upper");
  run_program({"mkfs.ext4", "-q", loop.path()});
  const Mount mount(loop.path(), upper, "ext4");
  run_program({"mkdir", upper + "/up", upper + "/work"});
  const std::string lower = make_directory("lower");
  const std::string merged = make_directory("merged");
  const Mount overlay(
      "overlay", merged, "overlay",
      "lowerdir=" + lower + ",upperdir=" + upper + "/up,workdir=" + upper + "/work");
  EXPECT_TRUE(lives_on(merged, loop.path()));
}

TEST_F(LivesOnSystem, ADirectoryInMemoryLivesOnNoDevice) {
  const LoopDevice loop = make_loop("disk.img");
  const Tmpfs memory(kMiB);
  EXPECT_FALSE(lives_on(memory.path(), loop.path()));
}

}  // namespace
}  // namespace blkrewind::test
