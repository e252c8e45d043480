// What stands on a device, and the way to each file system: with real devices, mounts and
// processes.
#include "host/stack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "base/fd.h"
#include "host/mounts.h"
#include "host/sysfs.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A process that does something once, and stays until the end of the test.
class StandingBy {
 public:
  explicit StandingBy(const std::function<bool()>& task) {
    int down[2] = {-1, -1};
    int up[2] = {-1, -1};
    if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe");
    }
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(down[1]);
      char done = task() ? 'y' : 'n';
      (void)!::write(up[1], &done, 1);
      (void)!::read(down[0], &done, 1);
      ::_exit(0);
    }
    ::close(down[0]);
    ::close(up[1]);
    end_.reset(down[1]);
    const UniqueFd answer(up[0]);
    char done = 'n';
    EXPECT_EQ(::read(answer.get(), &done, 1), 1);
    EXPECT_EQ(done, 'y') << "in the process";
  }
  ~StandingBy() {
    end_.reset();
    ::waitpid(pid_, nullptr, 0);
  }
  StandingBy(const StandingBy&) = delete;
  StandingBy& operator=(const StandingBy&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd end_;
};

// In a mount namespace of its own, of which nothing comes back.
bool leave_mount_namespace() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

host::DeviceNumber number_of(const std::string& device) {
  return host::block_device_at(device).value_or(0);
}

std::vector<std::string> places_of(const std::vector<host::MountedSuper>& supers) {
  std::vector<std::string> places;
  for (const host::MountedSuper& super : supers) places.push_back(super.mount_point);
  return places;
}

std::vector<std::string> words_of_raw(const host::Stack& stack) {
  std::vector<std::string> words;
  for (const host::UsedBy& use : stack.raw) {
    words.push_back(use.what);
    EXPECT_NE(words_of(use.remedy), "") << use.what;
  }
  return words;
}

std::vector<int> mount_ids() {
  std::vector<int> ids;
  const auto mounts = host::read_mounts().value();
  for (const host::Mount& mount : mounts) ids.push_back(mount.id);
  return ids;
}

class StackSystem : public ProbeSystem {
 protected:
  // As the probe of a device in use describes it, without asking for its users.
  static host::Stack stack_on(const std::vector<std::string>& paths) {
    std::vector<host::DeviceInfo> devices;
    for (const std::string& path : paths) devices.push_back(host::examine_device(path).value());
    auto stack = host::stack_on(devices);
    if (!stack) {
      ADD_FAILURE() << stack.error().to_string();
      return {};
    }
    for (const host::Unknown& unknown : stack->unknown) ADD_FAILURE() << unknown.what;
    return *std::move(stack);
  }

  static void expect_opens(const host::MountedSuper& super) {
    const auto fd = host::open_super(super);
    ASSERT_TRUE(fd.has_value()) << fd.error().to_string();
    struct stat status {};
    ASSERT_EQ(::fstat(fd->get(), &status), 0);
    if (major(super.id) != 0) {
      EXPECT_EQ(status.st_dev, super.id) << super.mount_point;
    }
    EXPECT_EQ(::fcntl(fd->get(), F_GETFL) & O_PATH, 0);
    EXPECT_NE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
  }

  static std::vector<host::DeviceNumber> below(const std::string& directory) {
    const auto supers = host::supers_below(directory);
    EXPECT_TRUE(supers.has_value()) << supers.error().to_string();
    return supers.value_or(std::vector<host::DeviceNumber>());
  }

  LoopDevice formatted(const std::string& name, const std::string& type = "ext4",
                       std::uint64_t size_bytes = 64 * kMiB) {
    LoopDevice loop = make_loop(name, size_bytes);
    run_program({"mkfs." + type, "-q", loop.path()});
    return loop;
  }
};

TEST_F(StackSystem, AnUnusedDevice) {
  const LoopDevice loop = make_loop("disk.img");
  EXPECT_TRUE(stack_on({loop.path()}).unused());
  EXPECT_TRUE(stack_on({loop.backing()}).unused());
}

TEST_F(StackSystem, APartitionButNotItsSibling) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.ext4", "-q", partitions.path(1)});
  const Mount mount(partitions.path(1), mount_point, "ext4");
  for (const std::string& target : {loop.path(), partitions.path(1), loop.backing()}) {
    const host::Stack stack = stack_on({target});
    ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point)) << target;
    EXPECT_EQ(stack.mounted[0].id, number_of(partitions.path(1)));
    EXPECT_EQ(stack.mounted[0].type, "ext4");
    EXPECT_EQ(stack.mounted[0].seen_by, 0);
    EXPECT_THAT(stack.mounted[0].devices, ElementsAre(number_of(partitions.path(1))));
    EXPECT_THAT(stack.partial, IsEmpty()) << target;
    EXPECT_THAT(words_of_raw(stack), IsEmpty()) << target;
    expect_opens(stack.mounted[0]);
  }
  EXPECT_TRUE(stack_on({partitions.path(2)}).unused());
}

TEST_F(StackSystem, FileSystemsInFilesComeBeforeTheirHosts) {
  for (const std::string type : {"ext4", "btrfs"}) {
    const LoopDevice outer = formatted(type + ".img", type, 400 * kMiB);
    const std::string outer_place = make_directory("outer of " + type);
    const Mount outer_mount(outer.path(), outer_place, type);
    const LoopDevice middle = LoopDevice::make(outer_place + "/middle.img", 100 * kMiB);
    run_program({"mkfs.ext4", "-q", middle.path()});
    const std::string middle_place = make_directory("middle of " + type);
    const Mount middle_mount(middle.path(), middle_place, "ext4");
    const LoopDevice inner = LoopDevice::make(middle_place + "/inner.img", 32 * kMiB);
    const LoopDevice over_inner = LoopDevice::make(inner.path(), 0);
    run_program({"mkfs.ext4", "-q", over_inner.path()});
    const std::string inner_place = make_directory("inner of " + type);
    const Mount inner_mount(over_inner.path(), inner_place, "ext4");

    const host::Stack stack = stack_on({outer.path()});
    EXPECT_THAT(places_of(stack.mounted), ElementsAre(inner_place, middle_place, outer_place));
    EXPECT_THAT(stack.partial, IsEmpty());
    EXPECT_THAT(words_of_raw(stack), IsEmpty());
    for (const host::MountedSuper& super : stack.mounted) expect_opens(super);
    EXPECT_THAT(places_of(stack_on({middle.path()}).mounted),
                ElementsAre(inner_place, middle_place));
    EXPECT_THAT(places_of(stack_on({inner.path()}).mounted), ElementsAre(inner_place));

    // All of it is below the innermost, and what the test's own folder is on.
    const auto supers = below(inner_place + "/not/yet");
    ASSERT_GE(supers.size(), 3U);
    EXPECT_EQ(supers[0], number_of(over_inner.path()));
    EXPECT_EQ(supers[1], number_of(middle.path()));
    EXPECT_EQ(supers[2], stack.mounted[2].id);
    EXPECT_THAT(below(outer_place), ::testing::Not(::testing::Contains(supers[1])));
  }
}

TEST_F(StackSystem, AnotherLoopDeviceOverTheSameFile) {
  const LoopDevice first = formatted("disk.img");
  const LoopDevice second = make_loop("disk.img");
  const std::string mount_point = make_directory("mount");
  const Mount mount(second.path(), mount_point, "ext4");
  const host::Stack stack = stack_on({first.path()});
  EXPECT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
  EXPECT_THAT(stack.partial, IsEmpty());
  EXPECT_THAT(words_of_raw(stack), IsEmpty());
}

TEST_F(StackSystem, TwoMountsAreOneSuperBlock) {
  const LoopDevice loop = formatted("disk.img");
  const std::string first = make_directory("first");
  const std::string second = make_directory("second");
  const Mount mount(loop.path(), first, "ext4");
  const Mount again(loop.path(), second, "ext4");
  std::filesystem::create_directory(first + "/folder");
  const std::string third = make_directory("third");
  run_program({"mount", "--bind", first + "/folder", third});
  const host::Stack stack = stack_on({loop.path()});
  run_program({"umount", third});
  EXPECT_THAT(places_of(stack.mounted), ElementsAre(first)) << "all of it, and not a folder of it";
}

TEST_F(StackSystem, AnotherMountNamespace) {
  const LoopDevice loop = formatted("disk.img");
  const std::string mount_point = make_directory("mount");
  const StandingBy container([&] {
    return leave_mount_namespace() &&
           ::mount(loop.path().c_str(), mount_point.c_str(), "ext4", 0, nullptr) == 0;
  });
  const host::Stack stack = stack_on({loop.path()});
  ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
  EXPECT_EQ(stack.mounted[0].seen_by, container.pid());
  EXPECT_THAT(words_of_raw(stack), IsEmpty());
  expect_opens(stack.mounted[0]);
  // Seen through a process that has ended since, or never was there.
  host::MountedSuper elsewhere = stack.mounted[0];
  elsewhere.seen_by = 0;
  expect_opens(elsewhere);
}

TEST_F(StackSystem, AnotherRootInTheSameNamespace) {
  const LoopDevice loop = formatted("disk.img");
  const std::string root = make_directory("root");
  std::filesystem::create_directory(root + "/mount");
  const StandingBy container([&] {
    return leave_mount_namespace() &&
           ::mount(loop.path().c_str(), (root + "/mount").c_str(), "ext4", 0, nullptr) == 0 &&
           ::chroot(root.c_str()) == 0;
  });
  const host::Stack stack = stack_on({loop.path()});
  ASSERT_THAT(places_of(stack.mounted), ElementsAre("/mount"));
  expect_opens(stack.mounted[0]);
}

// The process that is listed first does not see the mount: the namespace alone is no key.
TEST_F(StackSystem, AProcessWithoutTheMountInItsRoot) {
  const LoopDevice loop = formatted("disk.img");
  const std::string root = make_directory("root");
  const std::string mount_point = make_directory("mount");
  const StandingBy container([&] {
    if (!leave_mount_namespace() ||
        ::mount(loop.path().c_str(), mount_point.c_str(), "ext4", 0, nullptr) != 0) {
      return false;
    }
    const pid_t second = ::fork();
    if (second == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (true) ::pause();
    }
    return second > 0 && ::chroot(root.c_str()) == 0;
  });
  const host::Stack stack = stack_on({loop.path()});
  ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
  expect_opens(stack.mounted[0]);
}

TEST_F(StackSystem, ALazilyUnmountedFileSystem) {
  const LoopDevice loop = formatted("disk.img");
  const std::string mount_point = make_directory("mount");
  host::MountedSuper mounted;
  UniqueFd file;
  {
    Mount mount(loop.path(), mount_point, "ext4");
    mounted = stack_on({loop.path()}).mounted.at(0);
    file.reset(::open((mount_point + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(file.valid());
    run_program({"umount", "--lazy", mount_point});
    const host::Stack stack = stack_on({loop.path()});
    EXPECT_THAT(stack.mounted, IsEmpty());
    EXPECT_THAT(words_of_raw(stack), ElementsAre(HasSubstr(loop.path() + " is held exclusively")));
    const auto opened = host::open_super(mounted);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Errc::kNotFound);
    EXPECT_NE(words_of(opened.error().remedy), "");
    // Mounted again it is the same super block; the destructor unmounts it.
    run_program({"mount", "-t", "ext4", loop.path(), mount_point});
    EXPECT_THAT(words_of_raw(stack_on({loop.path()})), IsEmpty());
    file.reset();
  }
  EXPECT_TRUE(stack_on({loop.path()}).unused());
}

TEST_F(StackSystem, HoldersOfADiskAndOfItsPartitions) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const auto hold = [](const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  };
  {
    const UniqueFd holder = hold(partitions.path(2));
    ASSERT_TRUE(holder.valid());
    EXPECT_THAT(words_of_raw(stack_on({partitions.path(1)})), IsEmpty());
    EXPECT_THAT(words_of_raw(stack_on({partitions.path(2)})),
                ElementsAre(HasSubstr(partitions.path(2) + " is held")));
    EXPECT_THAT(words_of_raw(stack_on({loop.path()})),
                ElementsAre(HasSubstr(partitions.path(2) + " is held")));
  }
  const UniqueFd holder = hold(loop.path());
  ASSERT_TRUE(holder.valid());
  EXPECT_THAT(words_of_raw(stack_on({partitions.path(1)})), ::testing::Not(IsEmpty()));
}

TEST_F(StackSystem, ABtrfsPoolAndItsSubvolumes) {
  const LoopDevice first = make_loop("a.img", 200 * kMiB);
  const LoopDevice second = make_loop("b.img", 200 * kMiB);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.btrfs", "-q", first.path(), second.path()});
  run_program({"btrfs", "device", "scan", second.path()});
  const Mount mount(first.path(), mount_point, "btrfs", "device=" + second.path());
  run_program({"btrfs", "subvolume", "create", mount_point + "/sub"});
  const Mount subvolume(first.path(), make_directory("sub"), "btrfs", "subvol=sub");
  for (const std::string& target : {first.path(), second.path()}) {
    const host::Stack stack = stack_on({target});
    ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
    EXPECT_EQ(major(stack.mounted[0].id), 0U);
    EXPECT_THAT(stack.mounted[0].devices,
                UnorderedElementsAre(number_of(first.path()), number_of(second.path())));
    EXPECT_THAT(places_of(stack.partial), ElementsAre(mount_point));
    EXPECT_THAT(words_of_raw(stack), IsEmpty());
    expect_opens(stack.mounted[0]);
    EXPECT_THAT(below(mount_point + "/sub"), ::testing::Contains(stack.mounted[0].id));
  }
  const host::Stack both = stack_on({second.path(), first.path()});
  EXPECT_THAT(places_of(both.mounted), ElementsAre(mount_point));
  EXPECT_THAT(both.partial, IsEmpty());
}

TEST_F(StackSystem, AnXfsLog) {
  const LoopDevice data = make_loop("data.img", 400 * kMiB);
  const LoopDevice log = make_loop("log.img", 100 * kMiB);
  const std::string mount_point = make_directory("mount");
  run_program({"mkfs.xfs", "-q", "-l", "logdev=" + log.path(), data.path()});
  const Mount mount(data.path(), mount_point, "xfs", "logdev=" + log.path());
  for (const std::string& target : {data.path(), log.path()}) {
    const host::Stack stack = stack_on({target});
    ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point)) << target;
    EXPECT_THAT(stack.mounted[0].devices,
                ElementsAre(number_of(data.path()), number_of(log.path())));
    EXPECT_THAT(places_of(stack.partial), ElementsAre(mount_point)) << target;
    EXPECT_THAT(words_of_raw(stack), IsEmpty()) << target;
  }
  EXPECT_THAT(stack_on({data.path(), log.path()}).partial, IsEmpty());
}

TEST_F(StackSystem, AnExt4Journal) {
  const LoopDevice data = make_loop("data.img");
  const LoopDevice journal = make_loop("journal.img");
  const std::string mount_point = make_directory("mount");
  run_program({"mke2fs", "-q", "-b", "4096", "-O", "journal_dev", journal.path()});
  run_program({"mkfs.ext4", "-q", "-b", "4096", "-J", "device=" + journal.path(), data.path()});
  const Mount mount(data.path(), mount_point, "ext4");
  if (host::read_attribute("/sys/fs/ext4/" + data.path().substr(5) + "/journal_task").empty()) {
    GTEST_SKIP() << "this kernel does not tell";
  }
  for (const std::string& target : {data.path(), journal.path()}) {
    const host::Stack stack = stack_on({target});
    ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point)) << target;
    EXPECT_THAT(places_of(stack.partial), ElementsAre(mount_point)) << target;
    EXPECT_THAT(words_of_raw(stack), IsEmpty()) << target;
  }
  EXPECT_THAT(stack_on({data.path(), journal.path()}).partial, IsEmpty());
}

TEST_F(StackSystem, AnOverlayIsItsUpperLayersFileSystem) {
  const LoopDevice loop = formatted("disk.img", "ext4", 200 * kMiB);
  const std::string upper = make_directory("upper");
  const Mount mount(loop.path(), upper, "ext4");
  std::filesystem::create_directories(upper + "/up");
  std::filesystem::create_directories(upper + "/work");
  const std::string merged = make_directory("merged");
  const Mount overlay("overlay", merged, "overlay",
                      "lowerdir=" + make_directory("lower") + ",upperdir=" + upper +
                          "/up,workdir=" + upper + "/work");
  EXPECT_THAT(places_of(stack_on({loop.path()}).mounted), ElementsAre(upper));
  EXPECT_THAT(below(merged), ::testing::Contains(number_of(loop.path())));
  // A file on the overlay is a file of the upper layer.
  const LoopDevice inner = LoopDevice::make(merged + "/inner.img", 32 * kMiB);
  run_program({"mkfs.ext4", "-q", inner.path()});
  const std::string inner_place = make_directory("inner");
  const Mount inner_mount(inner.path(), inner_place, "ext4");
  EXPECT_THAT(places_of(stack_on({loop.path()}).mounted), ElementsAre(inner_place, upper));
}

TEST_F(StackSystem, AHiddenMountPoint) {
  const LoopDevice loop = formatted("disk.img");
  const std::string parent = make_directory("parent");
  const Mount base("tmpfs", parent, "tmpfs");
  run_program({"mount", "--make-shared", parent});
  std::filesystem::create_directory(parent + "/mount");
  const Mount mount(loop.path(), parent + "/mount", "ext4");
  const Mount over("tmpfs", parent + "/mount", "tmpfs");
  const Mount over_it("tmpfs", parent + "/mount", "tmpfs");
  const Mount over_all("tmpfs", parent, "tmpfs");
  const auto before = mount_ids();
  const host::Stack stack = stack_on({loop.path()});
  ASSERT_THAT(places_of(stack.mounted), ElementsAre(parent + "/mount"));
  expect_opens(stack.mounted[0]);
  {
    const UniqueFd root = host::open_super(stack.mounted[0]).value();
    EXPECT_EQ(::ioctl(root.get(), FIFREEZE, 0), 0);
    EXPECT_EQ(::ioctl(root.get(), FITHAW, 0), 0);
  }
  EXPECT_EQ(mount_ids(), before) << "what hides it is still there";
}

TEST_F(StackSystem, AHiddenMountPointInAnotherNamespace) {
  const LoopDevice first = make_loop("a.img", 200 * kMiB);
  run_program({"mkfs.btrfs", "-q", first.path()});
  const std::string mount_point = make_directory("mount");
  const StandingBy container([&] {
    return leave_mount_namespace() &&
           ::mount(first.path().c_str(), mount_point.c_str(), "btrfs", 0, nullptr) == 0 &&
           ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, nullptr) == 0;
  });
  const host::Stack stack = stack_on({first.path()});
  ASSERT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
  EXPECT_THAT(words_of_raw(stack), IsEmpty());
  EXPECT_THAT(stack.partial, IsEmpty());
  expect_opens(stack.mounted[0]);
  const UniqueFd root = host::open_super(stack.mounted[0]).value();
  EXPECT_EQ(::ioctl(root.get(), FIFREEZE, 0), 0);
  EXPECT_EQ(::ioctl(root.get(), FITHAW, 0), 0);
}

TEST_F(StackSystem, OnlyAFileOfItIsMounted) {
  const LoopDevice loop = formatted("disk.img");
  const std::string folder = make_directory("folder");
  const std::string place = directory_.file("place");
  make_sparse_file(place, 0);
  {
    const Mount mount(loop.path(), folder, "ext4");
    make_sparse_file(folder + "/file", kMiB);
    run_program({"mount", "--bind", folder + "/file", place});
  }
  const host::Stack stack = stack_on({loop.path()});
  EXPECT_THAT(places_of(stack.mounted), ElementsAre(place));
  if (!stack.mounted.empty()) expect_opens(stack.mounted[0]);
  run_program({"umount", place});
}

TEST_F(StackSystem, Swap) {
  const LoopDevice loop = make_loop("swap.img");
  const TwoPartitions partitions(loop.path());
  const SwappedOn swap(partitions.path(1));
  for (const std::string& target : {loop.path(), partitions.path(1), loop.backing()}) {
    const host::Stack stack = stack_on({target});
    EXPECT_THAT(words_of_raw(stack), ElementsAre(partitions.path(1) + " is used as swap"));
    EXPECT_THAT(stack.mounted, IsEmpty());
  }
  EXPECT_TRUE(stack_on({partitions.path(2)}).unused());
}

TEST_F(StackSystem, AProcessThatWrites) {
  const LoopDevice loop = make_loop("disk.img");
  const LoopDevice over = LoopDevice::make(loop.path(), 0);
  const TwoPartitions partitions(loop.path());
  for (const std::string& node : {loop.path(), over.path(), partitions.path(1), loop.backing()}) {
    const StandingBy machine([&] { return ::open(node.c_str(), O_RDWR | O_CLOEXEC) >= 0; });
    EXPECT_THAT(words_of_raw(stack_on({loop.path()})),
                ElementsAre(HasSubstr(node + " is open for writing in ")));
    EXPECT_THAT(words_of_raw(stack_on({partitions.path(2)})),
                SizeIs(node == partitions.path(1) ? 0 : 1))
        << node;
  }
  const StandingBy reader([&] { return ::open(loop.path().c_str(), O_RDONLY | O_CLOEXEC) >= 0; });
  EXPECT_TRUE(stack_on({loop.path()}).unused());
}

TEST_F(StackSystem, AProcessThatWritesAnImageFile) {
  const std::string image = directory_.file("disk.img");
  make_sparse_file(image, kMiB);
  const StandingBy machine([&] { return ::open(image.c_str(), O_RDWR | O_CLOEXEC) >= 0; });
  EXPECT_THAT(words_of_raw(stack_on({image})), ElementsAre(HasSubstr("is open for writing in")));
}

// What writes to a file is held by the freeze of the file's own file system.
TEST_F(StackSystem, AMachineOnAFileOfAFileSystemIsNotRaw) {
  const LoopDevice loop = formatted("disk.img");
  const std::string mount_point = make_directory("mount");
  const Mount mount(loop.path(), mount_point, "ext4");
  const LoopDevice inner = LoopDevice::make(mount_point + "/inner.img", 16 * kMiB);
  const StandingBy machine(
      [&] { return ::open(inner.path().c_str(), O_RDWR | O_EXCL | O_CLOEXEC) >= 0; });
  const host::Stack stack = stack_on({loop.path()});
  EXPECT_THAT(places_of(stack.mounted), ElementsAre(mount_point));
  EXPECT_THAT(words_of_raw(stack), IsEmpty());
  EXPECT_THAT(words_of_raw(stack_on({inner.path()})), ::testing::Not(IsEmpty()));
}

TEST_F(StackSystem, AFolderInMemoryPassesThroughNothing) {
  const Tmpfs memory(kMiB);
  EXPECT_THAT(below(memory.path()), IsEmpty());
}

}  // namespace
}  // namespace blkrewind::test
