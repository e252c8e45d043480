// Rollback on real file systems: the content before the damage is restored exactly, and fsck
// agrees.
#ifdef BLKREWIND_PROGRAM

#include <fstream>
#include <tuple>

#include "system/device_fixture.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kFileSystemBytes = 320 * kMiB;  // mkfs.xfs refuses less than 300 MiB

struct FileSystem {
  const char* name;
  const char* other;  // the data that overwrites it
};

void make_file_system(const std::string& type, const std::string& device) {
  run_program({"mkfs." + type, "-q", type == "ext4" ? "-F" : "-f", device});
}

void check_file_system(const std::string& type, const std::string& device) {
  if (type == "ext4") run_program({"e2fsck", "-f", "-n", device});
  if (type == "xfs") run_program({"xfs_repair", "-n", device});
  if (type == "btrfs") run_program({"btrfs", "check", device});
}

bool have_tools(const std::string& type) {
  const std::string checker = type == "ext4" ? "e2fsck" : type == "xfs" ? "xfs_repair" : "btrfs";
  try {
    run_program({"sh", "-c", "command -v mkfs." + type + " && command -v " + checker});
  } catch (const std::runtime_error&) {
    return false;
  }
  return true;
}

void write_files(const std::string& root) {
  namespace fs = std::filesystem;
  for (std::uint64_t directory = 0; directory < 4; ++directory) {
    const fs::path path = fs::path(root) / ("directory " + std::to_string(directory));
    fs::create_directory(path);
    for (std::uint64_t number = 0; number < 12; ++number) {
      const std::uint64_t seed = directory * 100 + number + 1;
      write_noise(path / std::to_string(number), 0, 1 + seed * 997 % 300000, seed);
    }
  }
  write_noise(root + "/large", 0, 8 * kMiB, 7);
  make_sparse_file(root + "/sparse", 16 * kMiB);
  write_noise(root + "/sparse", 5 * kMiB, 4096, 8);
  fs::create_symlink("directory 1/3", root + "/link");
}

void damage_files(const std::string& root) {
  std::filesystem::remove_all(root + "/directory 0");
  std::filesystem::remove(root + "/link");
  write_noise(root + "/large", kMiB, 3 * kMiB, 99);
  write_noise(root + "/directory 2/5", 0, 100, 98);
  write_noise(root + "/new", 0, 2 * kMiB, 97);
}

class FileSystems : public DeviceSystem,
                    public ::testing::WithParamInterface<std::tuple<FileSystem, std::uint32_t>> {};

TEST_P(FileSystems, ComeBackWholeAndGoThereAgain) {
  const auto& [type, sector_bytes] = GetParam();
  if (!have_tools(type.name) || !have_tools(type.other)) {
    GTEST_SKIP() << "needs the tools of " << type.name << " and " << type.other;
  }
  const LoopDevice disk = make_disk("disk.img", kFileSystemBytes, sector_bytes);
  const std::string mount_point = make_directory("mount");
  make_file_system(type.name, disk.path());
  std::string files;
  {
    const Mount mount(disk.path(), mount_point, type.name);
    write_files(mount_point);
    files = digest_of_tree(mount_point);
  }
  const std::string before = digest_of_file(disk.backing());
  const json taken = ask({"snapshot", disk.path(), "--name", "before"});
  EXPECT_EQ(taken.value("device_bytes", 0U), kFileSystemBytes);
  EXPECT_EQ(digest_of_file(disk.backing()), before) << "a snapshot only reads";

  // Deleted and overwritten files.
  {
    const Mount mount(disk.path(), mount_point, type.name);
    damage_files(mount_point);
    ASSERT_NE(digest_of_tree(mount_point), files);
  }
  const std::string damaged = digest_of_file(disk.backing());
  ASSERT_NE(damaged, before);
  const json done = ask({"rollback", disk.path(), "before"});
  EXPECT_EQ(digest_of_file(disk.backing()), before);
  EXPECT_EQ(done.at("root_digest"), taken.at("root_digest"));
  EXPECT_LT(done.value("changed_bytes", kFileSystemBytes), kFileSystemBytes / 4)
      << "only what changed moves";
  EXPECT_EQ(done.value("restored_bytes", 0U) + done.value("zeroed_bytes", 0U),
            done.value("changed_bytes", 1U));
  EXPECT_NO_THROW(check_file_system(type.name, disk.path()));

  ask({"undo", disk.path()});
  EXPECT_EQ(digest_of_file(disk.backing()), damaged);
  ask({"undo", disk.path()});
  EXPECT_EQ(digest_of_file(disk.backing()), before);

  // A file system of another kind on top of it.
  make_file_system(type.other, disk.path());
  const std::string overwritten = digest_of_file(disk.backing());
  ask({"rollback", disk.path(), "before"});
  EXPECT_EQ(digest_of_file(disk.backing()), before);
  EXPECT_NO_THROW(check_file_system(type.name, disk.path()));
  ask({"undo", disk.path()});
  EXPECT_EQ(digest_of_file(disk.backing()), overwritten);
  EXPECT_NO_THROW(check_file_system(type.other, disk.path()));
  ask({"undo", disk.path()});
  EXPECT_EQ(digest_of_file(disk.backing()), before);
  {
    const Mount mount(disk.path(), mount_point, type.name);
    EXPECT_EQ(digest_of_tree(mount_point), files);
  }
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

INSTANTIATE_TEST_SUITE_P(All, FileSystems,
                         ::testing::Combine(::testing::Values(FileSystem{"ext4", "btrfs"},
                                                              FileSystem{"xfs", "ext4"},
                                                              FileSystem{"btrfs", "xfs"}),
                                            ::testing::Values(512U, 4096U)),
                         [](const auto& chosen) {
                           return std::string(std::get<0>(chosen.param).name) + "On" +
                                  std::to_string(std::get<1>(chosen.param)) + "ByteSectors";
                         });

class Partitions : public DeviceSystem {
 protected:
  static Extent place_of(const std::string& partition) {
    const std::string directory =
        "/sys/class/block/" + partition.substr(partition.rfind('/') + 1) + "/";
    std::uint64_t start = 0;
    std::uint64_t size = 0;
    std::ifstream(directory + "start") >> start;
    std::ifstream(directory + "size") >> size;
    EXPECT_GT(size, 0U);
    return {start * 512, size * 512};
  }
};

TEST_F(Partitions, OneIsRolledBackAndTheOthersKeepTheirBytes) {
  const LoopDevice disk = make_disk("disk.img", 64 * kMiB);
  const TwoPartitions partitions(disk.path());
  const std::string first = partitions.path(1);
  const Extent place = place_of(first);
  make_file_system("ext4", first);
  write_noise(partitions.path(2), 0, 24 * kMiB, 1);
  const auto inside = [&] { return digest_of_file(disk.backing(), place.offset, place.length); };
  const auto outside = [&] {
    return digest_of_file(disk.backing(), 0, place.offset) +
           digest_of_file(disk.backing(), place.end());
  };
  const std::string before = inside();
  EXPECT_EQ(ask({"snapshot", first, "--name", "before"}).value("device_bytes", 0U), place.length);

  write_noise(first, 0, 20 * kMiB, 2);
  write_noise(partitions.path(2), kMiB, kMiB, 3);  // later than the snapshot: it is kept
  const std::string damaged = inside();
  const std::string others = outside();
  ask({"rollback", first, "before"});
  EXPECT_EQ(inside(), before);
  EXPECT_EQ(outside(), others);
  EXPECT_NO_THROW(check_file_system("ext4", first));
  ask({"undo", first});
  EXPECT_EQ(inside(), damaged);
  EXPECT_EQ(outside(), others);
}

TEST_F(Partitions, TheWholeDiskIsRefusedWhileOneIsMounted) {
  const LoopDevice disk = make_disk("disk.img", 64 * kMiB);
  const TwoPartitions partitions(disk.path());
  const std::string mount_point = make_directory("mount");
  make_file_system("ext4", partitions.path(1));
  const std::string before = digest_of_file(disk.backing());
  ask({"snapshot", disk.path(), "--name", "before"});
  ask({"snapshot", partitions.path(2), "--name", "sibling"});
  {
    const Mount mount(partitions.path(1), mount_point, "ext4", "noload");
    const std::string part = "partition " + partitions.path(1) + " is mounted on " + mount_point;
    const json error = expect_refused(disk, {"rollback", disk.path(), "before"}, part);
    EXPECT_EQ(error.at("code"), "IncorrectInstanceStatus");
    expect_refused(disk, {"snapshot", disk.path(), "--offline"}, part);
    ask({"rollback", partitions.path(2), "sibling"});  // that one is free
  }
  write_noise(partitions.path(1), 4 * kMiB, kMiB, 1);
  ask({"rollback", disk.path(), "before"});
  EXPECT_EQ(digest_of_file(disk.backing()), before);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
