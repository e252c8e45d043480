// Processes that have a device open for writing, and states that cannot be determined: with real
// processes, mount and PID namespaces.
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/fd.h"
#include "host/lives_on.h"
#include "host/writers.h"
#include "io/env.h"
#include "support/errors.h"
#include "system/probe_fixture.h"

namespace blkrewind::test {
namespace {

constexpr io::OpenOptions kWriter = {.access = io::Access::kReadWrite, .exclusive_device = true};
constexpr io::OpenOptions kReader = {.access = io::Access::kReadOnly, .exclusive_device = true};

// Another process, which has done `work` before the constructor returns and then sleeps until the
// destructor ends it. `clone_flags`: for unshare(2).
class OtherProcess {
 public:
  explicit OtherProcess(const std::function<bool()>& work) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const char done = work() ? '+' : '-';
      if (::write(ends[1], &done, 1) != 1) ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    ::close(ends[1]);
    char done = 0;
    if (::read(ends[0], &done, 1) != 1 || done != '+') ADD_FAILURE() << "the process is not ready";
    ::close(ends[0]);
  }
  ~OtherProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

std::function<bool()> opens(const std::string& path, int flags) {
  return [=] { return ::open(path.c_str(), flags) >= 0; };
}

std::function<bool()> maps(const std::string& path) {
  return [=] {
    const int fd = ::open(path.c_str(), O_RDWR);
    void* const bytes = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return fd >= 0 && bytes != MAP_FAILED && ::close(fd) == 0;
  };
}

// Runs `body` in a separate mount namespace and returns its result.
bool in_mount_namespace(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      ::_exit(2);
    }
    ::_exit(body() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2) << "no mount namespace";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool cover(const std::string& path) {
  return ::mount("none", path.c_str(), "tmpfs", 0, nullptr) == 0;
}

class OpenersSystem : public ProbeSystem {
 protected:
  // As an operation sees it.
  host::DeviceInfo judged(const std::string& path, const io::OpenOptions& options) {
    auto file = env_->open(path, options);
    EXPECT_TRUE(file) << (file ? "" : file.error().to_string());
    if (!file) return {};
    auto info = env_->probe(**file);
    EXPECT_TRUE(info) << (info ? "" : info.error().to_string());
    return info ? *std::move(info) : host::DeviceInfo();
  }
  host::DeviceInfo read(const std::string& path) { return judged(path, kReader); }

  std::unique_ptr<io::Env> env_ = io::make_local_env();
};

MATCHER_P2(IsWrittenBy, process, path, "") {
  const std::string text = "(process " + std::to_string(process) + ", " + path + ")";
  for (const host::UsedBy& use : arg.used_by) {
    *result_listener << " [" << use.what << "]";
    if (use.what.starts_with("open for writing in ") && use.what.ends_with(text)) {
      return !words_of(use.remedy).empty();
    }
  }
  return false;
}

TEST_F(OpenersSystem, AProcessThatHasADeviceOpenForWritingIsNamed) {
  const LoopDevice loop = make_loop("disk.img");
  for (const io::OpenOptions& options : {kReader, kWriter}) {
    {
      const OtherProcess writer(opens(loop.path(), O_WRONLY));
      EXPECT_THAT(judged(loop.path(), options), IsWrittenBy(writer.pid(), loop.path()));
    }
    {
      const OtherProcess writer(maps(loop.path()));
      EXPECT_THAT(judged(loop.path(), options), IsWrittenBy(writer.pid(), loop.path()));
    }
    const OtherProcess reader(opens(loop.path(), O_RDONLY));
    const UniqueFd own(::open(loop.path().c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_THAT(judged(loop.path(), options), IsFree());
  }
}

// In a second thread; the main thread ends if `first_ends`; then the second one reports.
bool a_thread_opens(const std::string& path, bool first_ends, int report) {
  static std::string name;
  static bool alone = false;
  static int end = -1;
  name = path;
  alone = first_ends;
  end = report;
  const auto body = [](void*) -> void* {
    if (!alone && ::unshare(CLONE_FILES) != 0) ::_exit(1);
    const std::string first = "/proc/" + std::to_string(::getpid()) + "/fd";
    while (alone && std::filesystem::exists(first + "/0")) ::sched_yield();
    const char done = ::open(name.c_str(), O_RDWR) >= 0 ? '+' : '-';
    if (::write(end, &done, 1) != 1) ::_exit(1);
    while (true) ::pause();
  };
  pthread_t second{};
  if (::pthread_create(&second, nullptr, body, nullptr) != 0) return false;
  if (first_ends) (void)::syscall(SYS_exit, 0);
  while (true) ::pause();
}

TEST_F(OpenersSystem, AThreadWithDescriptorsThatTheFirstOneHasNotIsLookedAt) {
  const LoopDevice loop = make_loop("disk.img");
  for (const bool first_ends : {false, true}) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t process = ::fork();
    if (process == 0) ::_exit(a_thread_opens(loop.path(), first_ends, ends[1]) ? 0 : 1);
    ::close(ends[1]);
    char done = 0;
    EXPECT_TRUE(::read(ends[0], &done, 1) == 1 && done == '+');
    ::close(ends[0]);
    EXPECT_THAT(read(loop.path()), IsWrittenBy(process, loop.path())) << first_ends;
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
  EXPECT_THAT(read(loop.path()), IsFree());
}

TEST_F(OpenersSystem, AlsoThroughThePartitionsOfWhatALoopDeviceStandsOn) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const LoopDevice above = LoopDevice::make(loop.path(), 0);
  {
    const OtherProcess writer(opens(partitions.path(1), O_RDWR));
    EXPECT_THAT(read(above.path()), IsWrittenBy(writer.pid(), partitions.path(1)));
  }
  {
    const OtherProcess writer(opens(loop.path(), O_RDWR));
    EXPECT_THAT(read(above.path()), IsWrittenBy(writer.pid(), loop.path()));
  }
  const OtherProcess writer(opens(loop.backing(), O_RDWR));
  EXPECT_THAT(read(above.path()), IsWrittenBy(writer.pid(), loop.backing()));
}

// A writer of the second partition of a disk does not affect the first.
TEST_F(OpenersSystem, ButNotThroughAPartitionBesideIt) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  const LoopDevice above = LoopDevice::make(partitions.path(1), 0);
  const OtherProcess writer(opens(partitions.path(2), O_RDWR));
  EXPECT_THAT(read(above.path()), IsFree());
}

TEST_F(OpenersSystem, AlsoThroughTheDisksOtherNodesAndTheFileBelow) {
  const LoopDevice loop = make_loop("disk.img");
  const TwoPartitions partitions(loop.path());
  {
    const OtherProcess writer(opens(partitions.path(1), O_RDWR));
    EXPECT_THAT(read(loop.path()), IsWrittenBy(writer.pid(), partitions.path(1)));
    EXPECT_THAT(read(partitions.path(2)), IsFree());
  }
  {
    const OtherProcess writer(opens(loop.path(), O_RDWR));
    EXPECT_THAT(read(partitions.path(2)), IsWrittenBy(writer.pid(), loop.path()));
  }
  const OtherProcess writer(opens(loop.backing(), O_RDWR));
  EXPECT_THAT(read(loop.path()), IsWrittenBy(writer.pid(), loop.backing()));
  EXPECT_THAT(read(partitions.path(1)), IsWrittenBy(writer.pid(), loop.backing()));
}

TEST_F(OpenersSystem, AnImageThatIsOpenForWriting) {
  const std::string image = directory_.file("disk.img");
  make_sparse_file(image, kMiB);
  const std::string alias = directory_.file("alias.img");
  run_program({"ln", image, alias});
  for (const io::OpenOptions& options : {kReader, kWriter}) {
    for (const auto& work : {opens(image, O_WRONLY), maps(image)}) {
      const OtherProcess writer(work);
      EXPECT_THAT(judged(alias, options), IsWrittenBy(writer.pid(), image));
    }
    const OtherProcess reader(opens(image, O_RDONLY));
    EXPECT_THAT(judged(image, options), IsFree());
  }
}

TEST_F(OpenersSystem, AWriterThatProcDoesNotShow) {
  const std::string image = directory_.file("disk.img");
  make_sparse_file(image, kMiB);
  const OtherProcess writer(opens(image, O_RDWR));
  // A separate PID namespace, with its own /proc: the writer is outside.
  EXPECT_TRUE(in_mount_namespace([&] {
    if (::unshare(CLONE_NEWPID) != 0) return false;
    const pid_t child = ::fork();
    if (child == 0) {
      if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) ::_exit(1);
      auto file = env_->open(image, kWriter);
      const auto info = file ? env_->probe(**file) : Result<host::DeviceInfo>();
      ::_exit(file && info && !info->used_by.empty() &&
                      info->used_by[0].what.find("not visible here") != std::string::npos
                  ? 0
                  : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0;
  }));
}

TEST_F(OpenersSystem, AWriterThatGoesAwayAtOnceIsNoReason) {
  const LoopDevice loop = make_loop("disk.img");
  const OtherProcess writer([&] {
    const int fd = ::open(loop.path().c_str(), O_RDWR);
    if (::fork() == 0) {
      ::usleep(100'000);
      ::_exit(0);  // the last one that has it open: its parent closes it now
    }
    return fd >= 0 && ::close(fd) == 0;
  });
  EXPECT_THAT(read(loop.path()), IsFree());
}

TEST_F(OpenersSystem, ALoopDeviceOverAnImageThatAnOperationHolds) {
  const std::string image = directory_.file("disk.img");
  make_sparse_file(image, kMiB);
  auto held = env_->open(image, kReader);
  ASSERT_TRUE(held);
  const LoopDevice loop = LoopDevice::make(image, 0);
  EXPECT_THAT(probe(loop.path()),
              IsUsed("its backing file is locked by another program, for example a running virtual "
                     "machine or blkrewind"));
  held->reset();
  EXPECT_THAT(probe(loop.path()), IsFree());
}

TEST_F(OpenersSystem, ALoopDeviceThatIsMovedWhileItIsHeld) {
  const LoopDevice loop = make_loop("disk.img");
  auto file = env_->open(loop.path(), kWriter);
  ASSERT_TRUE(file);
  const auto before = env_->probe(**file);
  ASSERT_TRUE(before);
  const UniqueFd control(::open(loop.path().c_str(), O_RDWR | O_CLOEXEC));
  loop_info64 status{};
  ASSERT_EQ(::ioctl(control.get(), LOOP_GET_STATUS64, &status), 0);
  status.lo_offset = kMiB;
  ASSERT_EQ(::ioctl(control.get(), LOOP_SET_STATUS64, &status), 0);
  const auto after = env_->probe(**file);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->identity.backing_offset, kMiB);
  EXPECT_NE(after->identity, before->identity);
}

TEST_F(OpenersSystem, AnImageThatWasRenamedWhileItIsHeld) {
  const std::string image = directory_.file("disk.img");
  make_sparse_file(image, kMiB);
  auto file = env_->open(image, kWriter);
  ASSERT_TRUE(file);
  ASSERT_TRUE(env_->probe(**file));
  std::filesystem::rename(image, directory_.file("moved.img"));
  EXPECT_EQ(env_->probe(**file).error().code, Errc::kBusy) << "there is nothing of that name";
  make_sparse_file(image, kMiB);
  EXPECT_EQ(env_->probe(**file).error().code, Errc::kBusy) << "another file has the name";
}

// A read-only loop device: it does not prevent leases, so the visible state decides.
class Unseen : public OpenersSystem {
 protected:
  void SetUp() override {
    OpenersSystem::SetUp();
    if (IsSkipped()) return;
    make_sparse_file(image(), kMiB);
    make_sparse_file(lone(), kMiB);
    loop_.emplace(LoopDevice::make(image(), 0, 512, {.read_only = true}));
  }
  [[nodiscard]] std::string image() const { return directory_.file("disk.img"); }
  // This one is not open anywhere.
  [[nodiscard]] std::string lone() const { return directory_.file("lone.img"); }
  [[nodiscard]] const LoopDevice& loop() const { return *loop_; }

  static bool is_free(const host::DeviceInfo& info) {
    return info.used_by.empty() && info.unknown.empty();
  }
  static bool is_named(const std::vector<host::Unknown>& unknown, const std::string& node) {
    return std::any_of(unknown.begin(), unknown.end(), [&](const host::Unknown& each) {
      return each.what.find(node + " ") != std::string::npos;
    });
  }
  // The image is unknown with a hint, the standalone one free, both for a query and for an
  // operation.
  bool unknown_but_for_the_lone_one() {
    const auto is_unknown = [](const Result<host::DeviceInfo>& info) {
      return info && info->used_by.empty() && !info->unknown.empty() &&
             !info->unknown[0].what.empty() && !words_of(info->unknown[0].remedy).empty();
    };
    for (const io::OpenOptions& options : {kReader, kWriter}) {
      auto file = env_->open(image(), options);
      auto lone_file = env_->open(lone(), options);
      if (!file || !lone_file || !is_unknown(env_->probe(**file))) return false;
      const auto lone_info = env_->probe(**lone_file);
      if (options.access == io::Access::kReadOnly && (!lone_info || !is_free(*lone_info))) {
        return false;
      }
      const auto again = env_->probe(**lone_file);
      if (!again || !is_free(*again)) return false;
    }
    const auto lone_look = env_->probe(lone());
    return is_unknown(env_->probe(image())) && lone_look && is_free(*lone_look);
  }

 private:
  std::optional<LoopDevice> loop_;
};

TEST_F(Unseen, NothingIsHiddenHere) {
  EXPECT_THAT(probe(image()), IsUsed("backs " + loop().path()));
  EXPECT_THAT(probe(loop().path()), IsFree());
}

TEST_F(Unseen, WithoutSysfs) {
  EXPECT_TRUE(in_mount_namespace([&] {
    return ::umount2("/sys", MNT_DETACH) == 0 && unknown_but_for_the_lone_one() &&
           env_->probe(loop().path()).error().code == Errc::kUnsupported;
  }));
  EXPECT_TRUE(in_mount_namespace([&] {
    return cover("/sys") && unknown_but_for_the_lone_one() &&
           env_->probe(loop().path()).error().code == Errc::kUnsupported;
  }));
}

TEST_F(Unseen, WithAPartOfSysfsCovered) {
  const std::string name = loop().path().substr(std::string("/dev/").size());
  EXPECT_TRUE(
      in_mount_namespace([&] { return cover("/sys/block") && unknown_but_for_the_lone_one(); }));
  EXPECT_TRUE(in_mount_namespace([&] {
    return cover("/sys/devices/virtual/block/" + name + "/loop") && unknown_but_for_the_lone_one();
  }));
  EXPECT_TRUE(in_mount_namespace([&] {
    const auto info = cover("/sys/devices/virtual/block/" + name + "/holders")
                          ? env_->probe(loop().path())
                          : Result<host::DeviceInfo>();
    return info && !info->unknown.empty();
  }));
}

TEST_F(Unseen, WithoutTheLoopDevicesNode) {
  EXPECT_TRUE(in_mount_namespace([&] { return cover("/dev") && unknown_but_for_the_lone_one(); }));
  // Another device under the node's name is not queried instead.
  EXPECT_TRUE(in_mount_namespace([&] {
    return cover("/dev") && ::mknod(loop().path().c_str(), S_IFBLK | 0600, makedev(1, 0)) == 0 &&
           unknown_but_for_the_lone_one();
  }));
}

TEST_F(Unseen, ANodeOfAnotherName) {
  struct stat status {};
  ASSERT_EQ(::stat(loop().path().c_str(), &status), 0);
  const host::DeviceInfo usual = probe(loop().path());
  EXPECT_TRUE(in_mount_namespace([&] {
    if (!cover("/dev") || ::mknod("/dev/own", S_IFBLK | 0600, status.st_rdev) != 0) return false;
    const auto info = env_->probe("/dev/own");
    // Other loop devices of the machine, without a node here as well, stay unknown.
    return info && info->used_by.empty() && !is_named(info->unknown, loop().path()) &&
           info->identity.backing_id == usual.identity.backing_id;
  }));
}

TEST_F(Unseen, AnotherFileUnderTheImagesPath) {
  // The loop device still maps the first one, which has another path here.
  const std::string alias = directory_.file("alias.img");
  make_sparse_file(alias, 0);
  EXPECT_TRUE(in_mount_namespace([&] {
    if (::mount(image().c_str(), alias.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(lone().c_str(), image().c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return false;
    }
    const auto used = env_->probe(alias);
    const auto other = env_->probe(image());
    return used && !used->used_by.empty() && other && other->used_by.empty();
  }));
}

TEST_F(Unseen, WithoutProc) {
  EXPECT_TRUE(in_mount_namespace(
      [&] { return cover("/proc") && !env_->probe(lone()) && !env_->probe(loop().path()); }));
}

TEST_F(Unseen, WhetherTheStoreLivesOnADeviceWithoutSysfs) {
  const host::DeviceInfo device = probe(loop().path());
  EXPECT_TRUE(in_mount_namespace([&] {
    if (!cover("/sys")) return false;
    const auto answer = env_->lives_on("/", device);
    return !answer && answer.error().code == Errc::kPrecondition &&
           !words_of(answer.error()).empty();
  }));
}

TEST(Writers, ALeaseIsGivenBack) {
  const TempDir directory;
  const std::string path = directory.file("file");
  make_sparse_file(path, kMiB);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(host::open_for_writing_elsewhere(fd.get()), host::Answer::kNo);
  EXPECT_TRUE(host::is_only_opener(fd.get()));
  EXPECT_EQ(::fcntl(fd.get(), F_GETLEASE), F_UNLCK);
  EXPECT_EQ(::fcntl(fd.get(), F_GETSIG), 0);
  const UniqueFd own(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  EXPECT_TRUE(own.valid());
  EXPECT_EQ(host::open_for_writing_elsewhere(fd.get()), host::Answer::kUnknown) << "it is our own";
  EXPECT_FALSE(host::is_only_opener(fd.get()));
}

TEST(Names, ARenameNeverReplaces) {
  const auto env = io::make_local_env();
  const TempDir directory;
  make_sparse_file(directory.file("new"), 10);
  make_sparse_file(directory.file("precious"), 20);
  EXPECT_EQ(env->rename_new(directory.file("new"), directory.file("precious")).error().code,
            Errc::kAlreadyExists);
  EXPECT_EQ(std::filesystem::file_size(directory.file("precious")), 20U);
  std::filesystem::create_symlink("nowhere", directory.file("link"));
  EXPECT_EQ(env->rename_new(directory.file("new"), directory.file("link")).error().code,
            Errc::kAlreadyExists);
  EXPECT_TRUE(env->rename_new(directory.file("new"), directory.file("free")));
  EXPECT_EQ(std::filesystem::file_size(directory.file("free")), 10U);
  EXPECT_FALSE(std::filesystem::exists(directory.file("new")));
}

}  // namespace
}  // namespace blkrewind::test
