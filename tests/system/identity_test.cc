// Device identity, on real loop devices, file systems and partitions (host/identity.h).
#ifdef BLKREWIND_PROGRAM
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "host/probe.h"
#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kSmallImageBytes = kMiB;

class IdentitySystem : public DeviceSystem {
 protected:
  // A file system of this type on a loop device, mounted.
  struct Medium {
    LoopDevice disk;
    std::unique_ptr<Mount> mount;
    [[nodiscard]] std::string file(const std::string& name) const {
      return mount->path() + "/" + name;
    }
  };
  Medium make_medium(const std::string& name, const std::string& type,
                     std::uint64_t size_bytes = 64 * kMiB) {
    LoopDevice disk = make_disk(name + ".fs", size_bytes);
    run_program({"sh", "-c", "mkfs." + type + " -q " + disk.path() + " >/dev/null 2>&1"});
    auto mount = std::make_unique<Mount>(disk.path(), make_directory(name), type);
    return {std::move(disk), std::move(mount)};
  }

  static std::uint64_t inode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_ino;
  }

  // Refused, with the file unchanged.
  void expect_untouched(const std::string& path, const std::vector<std::string>& arguments) {
    const std::string before = digest_of_file(path);
    const CliOutcome outcome = run(arguments);
    EXPECT_NE(outcome.status, 0) << outcome.out;
    EXPECT_THAT(outcome.err, HasSubstr("hint"));
    EXPECT_EQ(digest_of_file(path), before) << outcome.out << outcome.err;
  }

  std::string disk_id_of(const std::string& path, const std::string& name) {
    return ask({"snapshot", path, "--name", name}).value("disk_id", "");
  }

  json disk_of(const std::string& id) { return ask({"disk", "show", id}); }
};

TEST_F(IdentitySystem, ALoopDeviceWhoseFileWasRemovedIsStillTheSame) {
  const LoopDevice disk = make_disk("disk.img", kSmallImageBytes);
  write_noise(disk.path(), 0, kSmallImageBytes, 1);
  const std::string before = digest_of_file(disk.path());
  const std::string id = disk_id_of(disk.path(), "s1");
  fs::rename(disk.backing(), file("kept"));
  EXPECT_EQ(disk_id_of(disk.path(), "renamed"), id);
  fs::remove(file("kept"));
  EXPECT_EQ(disk_id_of(disk.path(), "removed"), id);
  EXPECT_EQ(disk_of(id).value("attached", false), true);
  write_noise(disk.path(), 0, kSmallImageBytes, 2);
  EXPECT_THAT(ask({"rollback", disk.path(), "s1"}).value("recognised_by", ""),
              HasSubstr("attachment"));
  EXPECT_EQ(digest_of_file(disk.path()), before);
}

// The device that holds a file cannot be examined: that does not make it another device.
TEST_F(IdentitySystem, WhereSysfsIsMissingTheDeviceBelowAFileIsNotAnotherOne) {
  const Medium medium = make_medium("m", "ext4");
  const std::string image = medium.file("a.img");
  write_noise(image, 0, kSmallImageBytes, 1);
  disk_id_of(image, "s1");
  const auto without_sysfs = [&](const std::string& command) {
    run_program(
        {"unshare", "--mount", "sh", "-c",
         "mount -t tmpfs none /sys && " BLKREWIND_PROGRAM " --store " + store_ + " " + command});
  };
  without_sysfs("snapshot " + image + " --name s2");
  without_sysfs("rollback " + image + " s1");
  // Registered without, and then seen with it.
  const std::string other = medium.file("b.img");
  write_noise(other, 0, kSmallImageBytes, 2);
  without_sysfs("snapshot " + other + " --name t1");
  ask({"rollback", other, "t1"});
}

// Another user may not open the node of the loop device below the file system.
TEST_F(IdentitySystem, WhatAUserMayNotOpenBelowAFileIsNotAnotherDevice) {
  const Medium medium = make_medium("m", "ext4");
  const std::string folder = medium.file("u");
  fs::create_directory(folder);
  run_program({"chown", "65534:65534", folder});
  run_program({"chmod", "755", directory_.path(), medium.mount->path()});
  const std::string image = folder + "/a.img";
  const std::string store = folder + "/store";
  const auto as_user = [&](const std::string& command) {
    run_program(
        {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", command});
  };
  const std::string program = BLKREWIND_PROGRAM " --store " + store + " ";
  as_user("head -c 1M /dev/urandom >" + image);
  as_user(program + "snapshot " + image + " --name s1");
  run_program({"sh", "-c", program + "rollback " + image + " s1"});
  run_program({"sh", "-c", program + "snapshot " + image + " --name s2"});
  as_user(program + "rollback " + image + " s2");
}

// In a container the file below a loop device is not visible; recorded evidence is kept.
TEST_F(IdentitySystem, WhatWasKnownOfAFileIsNotForgottenWhereItIsNotToBeSeen) {
  const std::string image = file("disk.img");
  std::string id;
  {
    const LoopDevice disk = make_disk("disk.img", kSmallImageBytes);
    id = disk_id_of(disk.path(), "s1");
    fs::create_hard_link(image, file("hidden"));
    fs::remove(image);
    EXPECT_EQ(disk_id_of(disk.path(), "s2"), id);
    fs::rename(file("hidden"), image);
  }
  const LoopDevice again = LoopDevice::make(image, 0);
  EXPECT_EQ(disk_id_of(again.path(), "s3"), id);
}

TEST_F(IdentitySystem, AnInodeNumberThatIsUsedAgainIsNotTheImageOfBefore) {
  const Medium medium = make_medium("m", "ext4");
  const std::string image = medium.file("a.img");
  write_noise(image, 0, kSmallImageBytes, 1);
  const std::uint64_t inode = inode_of(image);
  disk_id_of(image, "s1");
  fs::remove(image);
  std::string other;
  for (int i = 0; i < 100; ++i) {
    other = medium.file("other" + std::to_string(i));
    std::ofstream(other).flush();
    if (inode_of(other) == inode) break;
  }
  if (inode_of(other) != inode) GTEST_SKIP() << "the inode number was not used again";
  write_noise(other, 0, kSmallImageBytes, 2);
  expect_untouched(other, {"rollback", other, "s1"});
  // At the old path it is a different disk as well.
  fs::rename(other, image);
  expect_untouched(image, {"rollback", image, "s1"});
}

TEST_F(IdentitySystem, EqualInodeNumbersOnTwoFileSystemsAreTwoDisks) {
  const Medium one = make_medium("one", "ext4");
  const Medium other = make_medium("other", "ext4");
  const std::string a = one.file("a.img");
  const std::string b = other.file("a.img");
  write_noise(a, 0, kSmallImageBytes, 1);
  write_noise(b, 0, kSmallImageBytes, 2);
  ASSERT_EQ(inode_of(a), inode_of(b));
  const std::string id = disk_id_of(a, "s1");
  expect_untouched(b, {"rollback", b, "s1"});
  EXPECT_NE(disk_id_of(b, "t1"), id);
}

TEST_F(IdentitySystem, ASubvolumeSnapshotHasCopiesAndNotTheImage) {
  if (std::system("command -v mkfs.btrfs >/dev/null 2>&1") != 0) GTEST_SKIP() << "no btrfs-progs";
  const Medium medium = make_medium("m", "btrfs", 256 * kMiB);
  run_program({"sh", "-c", "btrfs subvolume create " + medium.file("live") + " >/dev/null"});
  const std::string image = medium.file("live/a.img");
  write_noise(image, 0, kSmallImageBytes, 1);
  const std::string id = disk_id_of(image, "s1");
  run_program({"sh", "-c",
               "btrfs subvolume snapshot " + medium.file("live") + " " + medium.file("kept") +
                   " >/dev/null"});
  const std::string copy = medium.file("kept/a.img");
  ASSERT_EQ(inode_of(copy), inode_of(image));
  write_noise(copy, 0, 4096, 3);
  expect_untouched(copy, {"rollback", copy, "s1"});
  EXPECT_NE(disk_id_of(copy, "t1"), id);
}

TEST_F(IdentitySystem, AClonedMediumContradicts) {
  Medium medium = make_medium("m", "ext4");
  const std::string image = medium.file("a.img");
  write_noise(image, 0, kSmallImageBytes, 1);
  disk_id_of(image, "s1");
  medium.mount->unmount();
  fs::copy_file(medium.disk.backing(), file("clone.fs"));
  const LoopDevice clone = make_disk("clone.fs", 0);
  const Mount mount(clone.path(), file("m"), "ext4");
  write_noise(image, 0, 4096, 2);
  expect_untouched(image, {"rollback", image, "s1"});
  EXPECT_THAT(run({"rollback", image, "s1"}).err, HasSubstr("contradicts"));
  // The caller can choose either.
  ask({"disk", "register", "--new", image});
  EXPECT_EQ(ask({"list"}).at("disks").size(), 2U);
}

TEST_F(IdentitySystem, ASecondDeviceUnderAUsedNameIsADiskOfItsOwn) {
  write_noise(file("a"), 0, kSmallImageBytes, 1);
  write_noise(file("b"), 0, kSmallImageBytes, 2);
  auto a = std::make_unique<LoopDevice>(make_disk("a", 0));
  const std::string path = a->path();
  const std::string id = disk_id_of(path, "a1");
  a.reset();
  run_program({"losetup", path, file("b")});
  expect_untouched(file("b"), {"rollback", path, "a1"});
  EXPECT_THAT(run({"rollback", path, "a1"}).err, HasSubstr("a different device"));
  EXPECT_NE(disk_id_of(path, "b1"), id);
  const json old = disk_of(id);
  EXPECT_EQ(old.at("attached"), json(false));
  EXPECT_EQ(ask({"list", id}).at("disks").at(0).at("snapshots").size(), 1U);
  run_program({"losetup", "-d", path});
}

TEST_F(IdentitySystem, ARecognisedDeviceTakesItsNewPathAlong) {
  const std::string before = file("old.img");
  const std::string after = file("new.img");
  write_noise(before, 0, kSmallImageBytes, 1);
  const std::string id = disk_id_of(before, "s1");
  fs::rename(before, after);
  EXPECT_EQ(disk_of(id).at("attached"), json(false));
  const json receipt = ask({"snapshot", after, "--name", "s2"});
  EXPECT_EQ(receipt.at("disk_id"), json(id));
  EXPECT_THAT(receipt.at("recognised_by").get<std::string>(), HasSubstr("inode"));
  EXPECT_EQ(disk_of(id).at("path"), json(after));
  EXPECT_EQ(disk_of(id).at("attached"), json(true));
  ask({"rollback", "--dry-run", id, "s1"});
  write_noise(before, 0, kSmallImageBytes, 2);
  EXPECT_NE(disk_id_of(before, "other"), id);
}

TEST_F(IdentitySystem, ALoopIsFoundByIdWhereverItIsAttached) {
  write_noise(file("a"), 0, kSmallImageBytes, 1);
  auto first = std::make_unique<LoopDevice>(make_disk("a", 0));
  const std::string id = disk_id_of(first->path(), "s1");
  const LoopDevice holds_the_name = make_disk("holder", kSmallImageBytes);
  const std::string old_path = first->path();
  first.reset();
  run_program({"losetup", old_path, file("holder")});
  const LoopDevice again = make_disk("a", 0);
  ASSERT_NE(again.path(), old_path);
  EXPECT_EQ(disk_of(id).at("path"), json(again.path()));
  ask({"rollback", id, "s1"});
  EXPECT_EQ(ask({"list", again.path()}).at("disks").at(0).at("path"), json(again.path()));
  run_program({"losetup", "-d", old_path});
}

TEST_F(IdentitySystem, OneFileAttachedTwiceIsRefusedWhicheverIsAskedFor) {
  write_noise(file("a"), 0, kSmallImageBytes, 1);
  const LoopDevice one = make_disk("a", 0);
  const std::string id = disk_id_of(one.path(), "s1");
  {
    const LoopDevice other = make_disk("a", 0);
    for (const std::string& path : {one.path(), other.path(), id}) {
      for (const std::vector<std::string>& words :
           {std::vector<std::string>{"rollback", path, "s1"}, {"snapshot", path, "--name", "x"}}) {
        const CliOutcome outcome = run(words);
        EXPECT_NE(outcome.status, 0) << path;
        EXPECT_THAT(outcome.err, HasSubstr(one.path()));
        EXPECT_THAT(outcome.err, HasSubstr(other.path()));
      }
    }
    EXPECT_NE(run({"disk", "forget", other.path(), "--with-snapshots"}).status, 0);
  }
  ask({"rollback", one.path(), "s1"});
}

TEST_F(IdentitySystem, PartitionsOfATableWithoutIdGoByTheirDiskAndSlot) {
  const LoopDevice disk = make_disk("disk", 64 * kMiB);
  run_program({"sh", "-c",
               "printf 'label: dos\\nlabel-id: 0x0\\nstart=2048,size=24M\\nsize=24M\\n' | sfdisk "
               "--quiet --no-reread --no-tell-kernel " +
                   disk.path()});
  run_program({"partx", "--add", disk.path()});
  const std::string one = disk.path() + "p1";
  const std::string two = disk.path() + "p2";
  write_noise(two, 0, kSmallImageBytes, 1);
  const std::string id = disk_id_of(one, "s1");
  EXPECT_NE(disk_id_of(two, "t1"), id);
  EXPECT_NE(disk_id_of(disk.path(), "w1"), id);
  ask({"rollback", one, "s1"});
  // The partition starts elsewhere now.
  run_program({"delpart", disk.path(), "1"});
  run_program({"addpart", disk.path(), "1", "4096", "40000"});
  const CliOutcome outcome = run({"rollback", one, "s1"});
  EXPECT_NE(outcome.status, 0) << outcome.out;
  run_program({"partx", "--delete", disk.path()});
}

TEST_F(IdentitySystem, ARemovedImageIsFoundByItsRelativePath) {
  const std::string image = file("gone.img");
  write_noise(image, 0, kSmallImageBytes, 1);
  const std::string id = disk_id_of(image, "s1");
  fs::remove(image);
  const fs::path before = fs::current_path();
  fs::current_path(fs::path(image).parent_path());
  EXPECT_EQ(ask({"disk", "show", "gone.img"}).value("disk_id", ""), id);
  EXPECT_EQ(ask({"disk", "show", "./gone.img"}).value("disk_id", ""), id);
  fs::current_path(before);
}

// Loop devices have no serial numbers: they are added to copies of their sysfs entries, without the
// attributes of loop devices, in a mount namespace.
class SerialSystem : public IdentitySystem {
 protected:
  // Runs `script` with $A and $B reporting the same serial number; br is the program.
  std::string run_with_serials(const LoopDevice& a, const LoopDevice& b,
                               const std::string& script) {
    std::ofstream(file("script")) << R"(
mk() {
  n=$(basename $1); mkdir -p $F/dev/$n/{holders,slaves,queue}
  for f in dev size diskseq ro uevent; do cat /sys/block/$n/$f >$F/dev/$n/$f; done
  echo SAME-SERIAL >$F/dev/$n/serial
}
link() { n=$(basename $1); ln -sfn dev/$n $F/$(cat /sys/block/$n/dev); }
br() { "$BR" --store "$S" "$@" 2>&1; echo "exit $?"; }
mk $A; mk $B; link $A
mount --bind $F /sys/dev/block
)" << script;
    const std::string command = "A=" + a.path() + " B=" + b.path() + " F=" + make_directory("sys") +
                                " S=" + store_ + " BR=" + BLKREWIND_PROGRAM + " unshare -m bash " +
                                file("script") + " >" + file("output") + " 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read_file(file("output"));
  }
};

TEST_F(SerialSystem, TwoDevicesOfOneSerialAreRefusedUntilTheCallerSaysWhichIsWhich) {
  write_noise(file("a"), 0, kSmallImageBytes, 1);
  write_noise(file("b"), 0, kSmallImageBytes, 2);
  const LoopDevice a = make_disk("a", 0);
  const LoopDevice b = make_disk("b", 0);
  const std::string before = digest_of_file(file("b"));
  const std::string output = run_with_serials(a, b, R"(
id=$("$BR" --store "$S" --json snapshot $A --name a1 | grep -o 'd-[0-9a-z]*' | head -n 1)
link $B
echo "== A"; br rollback $A a1
echo "== B"; br rollback $B a1
echo "== snapshot"; br snapshot $B --name b0
echo "== forget"; br disk forget $B --with-snapshots
echo "== adopt"; br disk adopt $id $A
echo "== after A"; br rollback $A a1
echo "== after B"; br snapshot $B --name b1
echo "== other"; br rollback $B a1
echo "== end"
)");
  const auto section = [&](const std::string& name) {
    const std::size_t begin = output.find("== " + name + "\n");
    return begin == std::string::npos ? std::string()
                                      : output.substr(begin, output.find("==", begin + 3) - begin);
  };
  for (const std::string name : {"A", "B", "snapshot", "forget"}) {
    EXPECT_THAT(section(name), HasSubstr("exit 3")) << output;
    EXPECT_THAT(section(name), HasSubstr(a.path())) << output;
    EXPECT_THAT(section(name), HasSubstr(b.path())) << output;
  }
  for (const std::string name : {"adopt", "after A", "after B"}) {
    EXPECT_THAT(section(name), HasSubstr("exit 0")) << output;
  }
  EXPECT_THAT(section("other"), Not(HasSubstr("exit 0"))) << output;
  EXPECT_EQ(digest_of_file(file("b")), before);
  EXPECT_EQ(ask({"list"}).at("disks").size(), 2U);
}

TEST_F(SerialSystem, BothMayBeThereFromTheBeginning) {
  write_noise(file("a"), 0, kSmallImageBytes, 1);
  write_noise(file("b"), 0, kSmallImageBytes, 2);
  const LoopDevice a = make_disk("a", 0);
  const LoopDevice b = make_disk("b", 0);
  const std::string output = run_with_serials(a, b, R"(
link $B
br snapshot $A --name a1 | tail -n 1
br rollback $B a1 | tail -n 1
br disk register --new $B | tail -n 1
br snapshot $B --name b1 | tail -n 1
br rollback $A a1 | tail -n 1
br rollback $B b1 | tail -n 1
)");
  EXPECT_EQ(output, "exit 0\nexit 3\nexit 0\nexit 0\nexit 0\nexit 0\n");
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
