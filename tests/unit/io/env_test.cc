// Names, locks and descriptors of the real machine.
#include "io/env.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "io/folder_env.h"
#include "support/errors.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::io {
namespace {

class EnvTest : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return directory_.file(name); }
  // Makes a file that holds `text`.
  std::string write(const std::string& name, const std::string& text = "x") const {
    std::ofstream(file(name)) << text;
    return file(name);
  }

  test::TempDir directory_;
  std::unique_ptr<Env> env_ = make_local_env();
};

// The exit status of `body` in a child process.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(EnvTest, AFileIsCreatedOnceAndForItsOwnerOnly) {
  const OpenOptions create{.access = Access::kReadWrite, .create_new = true};
  ASSERT_TRUE(env_->open(file("new"), create));
  struct stat status = {};
  ASSERT_EQ(::stat(file("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  const auto again = env_->open(file("new"), create);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kAlreadyExists);
}

// The environment of the store opens such a file through its own descriptor of the folder.
TEST_F(EnvTest, AFileWithoutANameIsGoneWhenItIsClosed) {
  const OpenOptions unnamed{.access = Access::kReadWrite, .unnamed = true};
  const auto store_env = make_folder_env(*env_, directory_.path());
  ASSERT_TRUE(store_env);
  for (Env* const env : {env_.get(), store_env->get()}) {
    auto opened = env->open(directory_.path(), unnamed);
    if (!opened && opened.error().sys_errno == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE here";
    ASSERT_TRUE(opened) << opened.error().to_string();
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
    // Found by its link below /proc: the File does not give its descriptor away.
    const std::string prefix = directory_.path() + "/#";
    std::string descriptor;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.starts_with(prefix)) descriptor = entry.path();
    }
    ASSERT_FALSE(descriptor.empty());
    struct stat status = {};
    ASSERT_EQ(::stat(descriptor.c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 0U);
    EXPECT_EQ(status.st_mode & 07777, 0600U);

    auto queue = env->make_queue({.depth = 2});
    ASSERT_TRUE(queue);
    AlignedBuffer written(64 * kKiB);
    AlignedBuffer read(64 * kKiB);
    std::memset(written.data(), 'x', written.size());
    const Extent extent{64 * kKiB, 64 * kKiB};
    ASSERT_TRUE(write_now(**queue, **opened, extent, written.data()));
    ASSERT_TRUE(read_now(**queue, **opened, extent, read.data()));
    EXPECT_EQ(std::memcmp(read.data(), written.data(), read.size()), 0);

    opened->reset();
    EXPECT_FALSE(std::filesystem::exists(descriptor));
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
    const auto none = env->open(file("none"), unnamed);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Errc::kNotFound);
  }
}

TEST_F(EnvTest, ALinkIsNotFollowedIntoCreating) {
  std::filesystem::create_symlink(file("elsewhere"), file("link"));
  const auto opened = env_->open(file("link"), {.access = Access::kReadWrite, .create_new = true});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kAlreadyExists);
  EXPECT_FALSE(std::filesystem::exists(file("elsewhere")));
}

TEST_F(EnvTest, OnlyRegularFilesAndBlockDevicesAreOpened) {
  EXPECT_EQ(env_->open(file("none"), {}).error().code, Errc::kNotFound);
  EXPECT_EQ(env_->open(directory_.path(), {}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(env_->open("/dev/null", {}).error().code, Errc::kInvalidArgument);
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(env_->open(file("fifo"), {}).error().code, Errc::kInvalidArgument);  // does not wait
}

TEST_F(EnvTest, DescriptorsAreClosedOnExec) {
  const auto opened = env_->open(write("f"), {});
  ASSERT_TRUE(opened);
  const auto queue = env_->make_queue({.depth = 2});
  ASSERT_TRUE(queue);
  // Descriptors of files under the test directory, and rings, are closed on exec.
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target != file("f") && target.find("io_uring") == std::string::npos) continue;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC) << target;
    ++seen;
  }
  EXPECT_GE(seen, 1);
}

TEST_F(EnvTest, SizesAndHoles) {
  const std::string path = file("sparse");
  auto opened = env_->open(path, {.access = Access::kReadWrite, .create_new = true});
  ASSERT_TRUE(opened);
  File& sparse = **opened;
  ASSERT_TRUE(sparse.truncate(3 * kMiB + 5));
  EXPECT_EQ(sparse.size_bytes().value(), 3 * kMiB + 5);
  EXPECT_TRUE(sparse.next_data(0).value().empty());

  const std::string text(64 * kKiB, 'x');
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::pwrite(fd.get(), text.data(), text.size(), kMiB), static_cast<ssize_t>(text.size()));
  const Extent data = sparse.next_data(0).value();
  EXPECT_LE(data.offset, kMiB);
  EXPECT_GE(data.end(), kMiB + text.size());
  EXPECT_TRUE(sparse.next_data(3 * kMiB + 5).value().empty());
  EXPECT_TRUE(sparse.next_data(100 * kMiB).value().empty());
  ASSERT_TRUE(sparse.truncate(0));
  EXPECT_TRUE(sparse.next_data(0).value().empty());
  EXPECT_GE(sparse.max_request_bytes(), 4096U);
  EXPECT_LE(sparse.max_request_bytes(), kMiB);
}

TEST_F(EnvTest, NamesComeAndGo) {
  EXPECT_FALSE(env_->exists(file("d")).value());
  ASSERT_TRUE(env_->make_directory(file("d")));
  EXPECT_EQ(env_->make_directory(file("d")).error().code, Errc::kAlreadyExists);
  struct stat status = {};
  ASSERT_EQ(::stat(file("d").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_TRUE(env_->exists(file("d")).value());

  write("d/b");
  write("d/a");
  write("d/.hidden");
  EXPECT_THAT(env_->list_directory(file("d")).value(), testing::ElementsAre(".hidden", "a", "b"));
  EXPECT_FALSE(env_->exists(file("d/a/below-a-file")).value());
  EXPECT_FALSE(env_->remove(file("d"))) << "not empty";

  ASSERT_TRUE(env_->rename(file("d/a"), file("d/b")));
  EXPECT_TRUE(env_->sync_directory(file("d")));
  EXPECT_THAT(env_->list_directory(file("d")).value(), testing::ElementsAre(".hidden", "b"));
  ASSERT_TRUE(env_->remove(file("d/b")));
  ASSERT_TRUE(env_->remove(file("d/.hidden")));
  ASSERT_TRUE(env_->remove(file("d")));

  EXPECT_EQ(env_->remove(file("d")).error().code, Errc::kNotFound);
  EXPECT_EQ(env_->rename(file("d"), file("e")).error().code, Errc::kNotFound);
  EXPECT_EQ(env_->list_directory(file("d")).error().code, Errc::kNotFound);
  EXPECT_EQ(env_->sync_directory(file("d")).error().code, Errc::kNotFound);
}

TEST_F(EnvTest, IdentityFollowsTheFileNotTheName) {
  const host::FileId first = env_->identify(write("first")).value();
  const host::FileId second = env_->identify(write("second")).value();
  EXPECT_NE(first, second);
  ASSERT_TRUE(env_->rename(file("second"), file("first")));
  EXPECT_EQ(env_->identify(file("first")).value(), second);
  EXPECT_EQ(env_->identify(file("second")).error().code, Errc::kNotFound);
}

TEST_F(EnvTest, LocksOfOneProcessExcludeEachOther) {
  const std::string path = write("lock");
  auto held = env_->try_lock(path, 7, LockMode::kExclusive).value();
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(env_->try_lock(path, 7, LockMode::kExclusive).value(), nullptr);
  EXPECT_EQ(env_->try_lock(path, 7, LockMode::kShared).value(), nullptr);
  EXPECT_NE(env_->try_lock(path, 8, LockMode::kExclusive).value(), nullptr) << "another byte";
  held.reset();
  const auto shared = env_->try_lock(path, 7, LockMode::kShared).value();
  ASSERT_NE(shared, nullptr);
  EXPECT_NE(env_->try_lock(path, 7, LockMode::kShared).value(), nullptr);
  EXPECT_EQ(env_->try_lock(path, 7, LockMode::kExclusive).value(), nullptr);
  // A POSIX lock would have been released with this descriptor.
  { const UniqueFd other(::open(path.c_str(), O_RDWR | O_CLOEXEC)); }
  EXPECT_EQ(env_->try_lock(path, 7, LockMode::kExclusive).value(), nullptr);
  EXPECT_EQ(env_->try_lock(file("none"), 0, LockMode::kShared).error().code, Errc::kNotFound);
}

TEST_F(EnvTest, LookingAtALockTakesNone) {
  const std::string path = write("lock");
  EXPECT_EQ(env_->is_locked(path, 3), false);
  const auto shared = env_->try_lock(path, 4, LockMode::kShared).value();
  EXPECT_EQ(env_->is_locked(path, 4), false) << "no process holds it exclusively";
  const auto held = env_->try_lock(path, 3, LockMode::kExclusive).value();
  EXPECT_EQ(env_->is_locked(path, 3), true) << "by this process";
  EXPECT_EQ(in_child([&] { return make_local_env()->is_locked(path, 3).value_or(false) ? 1 : 0; }),
            1);
  EXPECT_EQ(env_->is_locked(file("none"), 0).error().code, Errc::kNotFound);
  // A query never causes a locking process to be refused.
  std::atomic<bool> stop = false;
  std::thread onlooker([&] {
    while (!stop) EXPECT_TRUE(env_->is_locked(path, 5));
  });
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_NE(env_->try_lock(path, 5, LockMode::kExclusive).value(), nullptr);
  }
  stop = true;
  onlooker.join();
}

TEST_F(EnvTest, LocksExcludeOtherProcessesAndGoWithThem) {
  const std::string path = write("lock");
  const auto try_it = [&] {
    const auto lock = make_local_env()->try_lock(path, 0, LockMode::kExclusive);
    return !lock ? 2 : *lock == nullptr ? 1 : 0;  // _exit: the destructor does not run
  };
  EXPECT_EQ(in_child(try_it), 0);
  auto held = env_->try_lock(path, 0, LockMode::kExclusive).value();
  ASSERT_NE(held, nullptr) << "the child is gone, and its lock with it";
  EXPECT_EQ(in_child(try_it), 1);
  held.reset();
  EXPECT_EQ(in_child(try_it), 0);
}

TEST_F(EnvTest, AWaitingLockComesWhenTheOtherGoes) {
  const std::string path = write("lock");
  auto held = env_->try_lock(path, 0, LockMode::kExclusive).value();
  ASSERT_NE(held, nullptr);
  std::atomic<bool> acquired = false;
  std::thread waiter([&] {
    const auto lock = env_->lock(path, 0, LockMode::kExclusive);
    acquired = lock && *lock != nullptr;
  });
  std::this_thread::yield();
  EXPECT_FALSE(acquired);
  held.reset();
  waiter.join();
  EXPECT_TRUE(acquired);
}

TEST_F(EnvTest, AnImageFileIsHeldByOneWriterOrByReaders) {
  const std::string image = file("image");
  test::make_sparse_file(image, kMiB);
  constexpr OpenOptions kWriter{.access = Access::kReadWrite, .exclusive_device = true};
  constexpr OpenOptions kReader{.exclusive_device = true};
  {
    const auto writer = env_->open(image, kWriter);
    ASSERT_TRUE(writer) << writer.error().to_string();
    for (const OpenOptions& options : {kWriter, kReader}) {
      const auto second = env_->open(image, options);
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().code, Errc::kBusy);
    }
    EXPECT_TRUE(env_->open(image, {})) << "who does not ask for it alone may look";
  }
  const auto reader = env_->open(image, kReader);
  ASSERT_TRUE(reader) << reader.error().to_string();
  EXPECT_TRUE(env_->open(image, kReader));
  EXPECT_FALSE(env_->open(image, kWriter));
}

class DeviceEnvTest : public EnvTest {
 protected:
  void SetUp() override {
    if (!test::have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
  }
  static constexpr OpenOptions kExclusive{.access = Access::kReadWrite, .exclusive_device = true};
};

TEST_F(DeviceEnvTest, AnExclusiveDeviceIsHeldOnce) {
  const auto loop = test::LoopDevice::make(file("backing"), kMiB, 4096);
  auto first = env_->open(loop.path(), kExclusive);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ((*first)->size_bytes().value(), kMiB);
  EXPECT_EQ((*first)->alignment_bytes(), 4096U);
  EXPECT_EQ((*first)->next_data(4096).value(), (Extent{kMiB, 0})) << "a hole of the backing file";
  EXPECT_EQ((*first)->truncate(0).error().code, Errc::kInvalidArgument);
  const auto second = env_->open(loop.path(), kExclusive);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kBusy);
  EXPECT_FALSE(words_of(second.error()).empty());
  const auto onlooker = env_->open(loop.path(), {});
  ASSERT_TRUE(onlooker) << "who does not ask for it alone may look";
  EXPECT_EQ((*onlooker)->next_data(4096).value(), (Extent{4096, kMiB - 4096}))
      << "but others may write while he does";

  // Unaligned requests go through a second descriptor, which must not find the device busy.
  const auto queue = env_->make_queue({.depth = 2}).value();
  std::byte byte{42};
  EXPECT_TRUE(write_now(*queue, **first, {4099, 1}, &byte));
  byte = {};
  EXPECT_TRUE(read_now(*queue, **first, {4099, 1}, &byte));
  EXPECT_EQ(byte, std::byte{42});
  first->reset();
  EXPECT_TRUE(env_->open(loop.path(), kExclusive));
}

TEST_F(DeviceEnvTest, AMountedDeviceIsBusy) {
  const auto loop = test::LoopDevice::make(file("backing"), 16 * kMiB);
  test::run_program({"mkfs.ext4", "-q", "-F", loop.path()});
  ASSERT_TRUE(env_->open(loop.path(), kExclusive));
  const test::TempDir mount_point;
  test::Mount mount(loop.path(), mount_point.path(), "ext4");
  const auto opened = env_->open(loop.path(), kExclusive);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kBusy);
  mount.unmount();
  EXPECT_TRUE(env_->open(loop.path(), kExclusive));
}

TEST_F(DeviceEnvTest, AReadOnlyDeviceIsNotOpenedForWriting) {
  const auto loop = test::LoopDevice::make(file("backing"), kMiB, 512, {.read_only = true});
  EXPECT_TRUE(env_->open(loop.path(), {}));
  const auto opened = env_->open(loop.path(), {.access = Access::kReadWrite});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().sys_errno, EROFS);
}

TEST_F(DeviceEnvTest, TheSizeOfADeviceIsAskedAnew) {
  const auto loop = test::LoopDevice::make(file("backing"), kMiB);
  auto opened = env_->open(loop.path(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->size_bytes().value(), kMiB);
  std::filesystem::resize_file(file("backing"), 2 * kMiB);
  loop.reread_size();
  EXPECT_EQ((*opened)->size_bytes().value(), 2 * kMiB);
}

}  // namespace
}  // namespace blkrewind::io
