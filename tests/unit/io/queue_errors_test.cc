// The errors of a queue for files, file systems and devices that fail.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "support/errors.h"
#include "unit/io/queue_fixture.h"

namespace blkrewind::io {
namespace {

class QueueErrorsTest : public testing::TestWithParam<QueueKind> {
 protected:
  std::unique_ptr<Env> env_ = env_of(GetParam());
  std::unique_ptr<Queue> queue_ = queue_of(*env_, {.depth = 8, .slots = 4, .slot_bytes = kMiB});
  std::byte* bytes_ = queue_->slots()[0].data;
};

TEST_P(QueueErrorsTest, AReadOnlyFileTakesNoWrites) {
  const test::TempDir directory;
  test::make_sparse_file(directory.file("f"), 64 * kKiB);
  const auto file = open_of(*env_, directory.file("f"), {});
  for (const Op op : {Op::kWrite, Op::kWriteZeroes, Op::kDiscard}) {
    EXPECT_EQ(run_one(*queue_, {op, file.get(), {0, 4096}, bytes_, 0}), EBADF);
    EXPECT_EQ(run_one(*queue_, {op, file.get(), {1, 100}, bytes_, 0}), EBADF);
  }
  const auto status = write_now(*queue_, *file, {0, 4096}, bytes_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().sys_errno, EBADF);
  EXPECT_EQ(status.error().extent, (Extent{0, 4096}));
  EXPECT_NE(status.error().message.find(directory.file("f")), std::string::npos);
  EXPECT_FALSE(words_of(status.error()).empty());
}

TEST_P(QueueErrorsTest, AFullFileSystemSaysNoSpace) {
  if (!test::have_root_and_loop()) GTEST_SKIP() << "needs root to mount a tmpfs";
  const test::Tmpfs tmpfs(512 * kKiB);
  for (const bool direct : {true, false}) {
    const std::string path = tmpfs.file(direct ? "direct" : "buffered");
    const auto file =
        open_of(*env_, path, {.access = Access::kReadWrite, .direct = direct, .create_new = true});
    // Half of it fits: the short transfer is retried, and reports the reason.
    EXPECT_EQ(run_one(*queue_, {Op::kWrite, file.get(), {0, kMiB}, bytes_, 0}), ENOSPC);
    EXPECT_EQ(write_now(*queue_, *file, {0, kMiB}, bytes_).error().code, Errc::kNoSpace);
    std::filesystem::remove(path);
  }
}

class DeviceErrorsTest : public QueueErrorsTest {
 protected:
  void SetUp() override {
    if (!test::have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
  }
};

TEST_P(DeviceErrorsTest, NothingGoesPastTheEndOfADevice) {
  const Playground playground(Place::kLoop512, kMiB);
  const auto file = open_of(*env_, playground.path());
  for (const std::uint64_t offset : {kMiB - 4096, kMiB, kMiB - 100}) {
    const Extent extent{offset, 8192};
    EXPECT_EQ(run_one(*queue_, {Op::kRead, file.get(), extent, bytes_, 0}), EIO) << offset;
    EXPECT_EQ(run_one(*queue_, {Op::kWrite, file.get(), extent, bytes_, 0}), ENOSPC) << offset;
    EXPECT_EQ(run_one(*queue_, {Op::kWriteZeroes, file.get(), extent, nullptr, 0}), ENOSPC);
  }
  // That is not a full file system.
  EXPECT_EQ(write_now(*queue_, *file, {kMiB, 4096}, bytes_).error().code, Errc::kIo);
  EXPECT_EQ(run_one(*queue_, {Op::kDiscard, file.get(), {0, 4096}, nullptr, 0}), EOPNOTSUPP);
}

TEST_P(DeviceErrorsTest, ADeviceThatFailsSaysSo) {
  const test::TempDir directory("/dev/shm");
  const auto loop = test::LoopDevice::make(directory.file("backing"), 4 * kMiB);
  const auto file = open_of(*env_, loop.path());
  std::filesystem::resize_file(directory.file("backing"), kMiB);
  EXPECT_EQ(run_one(*queue_, {Op::kRead, file.get(), {2 * kMiB, kMiB}, bytes_, 0}), EIO);
  EXPECT_EQ(run_one(*queue_, {Op::kRead, file.get(), {kMiB - 4096, 8192}, bytes_, 0}), EIO);
  EXPECT_EQ(run_one(*queue_, {Op::kRead, file.get(), {0, kMiB}, bytes_, 0}), 0);
  const auto status = read_now(*queue_, *file, {2 * kMiB, 4096}, bytes_);
  EXPECT_EQ(status.error().code, Errc::kIo);
  EXPECT_EQ(status.error().sys_errno, EIO);
}

TEST_P(DeviceErrorsTest, OneBadRequestDoesNotSpoilTheOthers) {
  const Playground playground(Place::kLoop4096, kMiB);
  const auto file = open_of(*env_, playground.path());
  const std::vector<Request> requests = {
      {Op::kWrite, file.get(), {0, 4096}, bytes_, 0},
      {Op::kRead, file.get(), {kMiB, 4096}, queue_->slots()[1].data, 1},
      {Op::kWriteZeroes, file.get(), {8192, 4096}, nullptr, 2},
      {Op::kFlush, file.get(), {}, nullptr, 3},
  };
  ASSERT_TRUE(queue_->submit(requests));
  std::vector<Completion> done;
  ASSERT_EQ(queue_->wait(4, done).value(), 4U);
  for (const Completion& completion : done) {
    EXPECT_EQ(completion.error, completion.user_data == 1 ? EIO : 0) << completion.user_data;
  }
}

// A file system that cannot punch holes, and a device on it that cannot write zeroes.
TEST_P(DeviceErrorsTest, ZeroingFallsBackToWhatTheFileCanDo) {
  const test::TempDir directory;
  const test::Mount mount("ramfs", directory.path(), "ramfs");
  std::memset(bytes_, 0x5a, kMiB);
  const auto loop = test::LoopDevice::make(directory.file("inner"), 2 * kMiB);
  test::make_sparse_file(directory.file("plain"), kMiB);
  for (const std::string& path : {directory.file("plain"), loop.path()}) {
    const auto file = open_of(*env_, path);
    ASSERT_TRUE(write_now(*queue_, *file, {0, kMiB}, bytes_));
    const std::uint64_t size = file->size_bytes().value();
    for (int i = 0; i < 2; ++i) {  // the second time it is remembered
      const Extent extent{4096 + 17, kMiB - 4096 - 17};
      ASSERT_EQ(run_one(*queue_, {Op::kWriteZeroes, file.get(), extent, nullptr, 0}), 0) << path;
    }
    std::byte* back = queue_->slots()[1].data;
    ASSERT_TRUE(read_now(*queue_, *file, {0, kMiB}, back));
    EXPECT_EQ(std::count(back, back + kMiB, std::byte{0x5a}), 4096 + 17) << path;
    EXPECT_EQ(std::count(back, back + kMiB, std::byte{0}),
              static_cast<std::ptrdiff_t>(kMiB - 4096 - 17));
    EXPECT_EQ(file->size_bytes().value(), size);
  }
  // Past the end of a file there is nothing to zero, and it does not grow.
  const auto file = open_of(*env_, directory.file("plain"));
  EXPECT_EQ(run_one(*queue_, {Op::kWriteZeroes, file.get(), {kMiB - 10, kMiB}, nullptr, 0}), 0);
  EXPECT_EQ(file->size_bytes().value(), kMiB);
}

INSTANTIATE_TEST_SUITE_P(All, QueueErrorsTest,
                         testing::Values(QueueKind::kUring, QueueKind::kSynchronous),
                         [](const auto& test) { return name_of(test.param); });
INSTANTIATE_TEST_SUITE_P(All, DeviceErrorsTest,
                         testing::Values(QueueKind::kUring, QueueKind::kSynchronous),
                         [](const auto& test) { return name_of(test.param); });

// In a child whose io_uring_setup(2) fails, so that a queue that works there is synchronous: the
// exit status is 0 when it does.
int queue_where_uring_fails_with(int sys_errno) {
  const pid_t child = ::fork();
  if (child == 0) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // seccomp_data.nr
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(sys_errno)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {4, filter};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      ::_exit(77);
    }
    const auto env = make_local_env();
    const auto queue = env->make_queue({.depth = 4});
    if (!queue) ::_exit(2);
    std::byte byte{0};
    const auto file = env->open("/proc/self/exe", {});
    const bool works = file && read_now(**queue, **file, {0, 1}, &byte) && byte == std::byte{0x7f};
    ::_exit(works ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Disabled, not in the kernel, or beyond a limit of this process: memory (a ring's is locked) or
// descriptors (a ring needs one, a synchronous queue none).
TEST(QueueFallbackTest, WhereUringIsRefusedTheQueueIsSynchronous) {
  for (const int sys_errno : {EPERM, EACCES, ENOSYS, ENOMEM, EMFILE, ENFILE}) {
    const int status = queue_where_uring_fails_with(sys_errno);
    if (status == 77) GTEST_SKIP() << "no seccomp here";
    EXPECT_EQ(status, 0) << sys_errno;
  }
  EXPECT_EQ(queue_where_uring_fails_with(EFAULT), 2) << "a real failure is told";
}

}  // namespace
}  // namespace blkrewind::io
