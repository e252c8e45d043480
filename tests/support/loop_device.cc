#include "support/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "support/machine_wide.h"

namespace blkrewind::test {
namespace {

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

bool have_root_and_loop() {
  check_machine_wide("looking for loop devices");
  return ::geteuid() == 0 && UniqueFd(::open("/dev/loop-control", O_RDWR | O_CLOEXEC)).valid();
}

void make_sparse_file(const std::string& path, std::uint64_t size_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) fail_with_errno("open " + path);
  if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) fail_with_errno("size " + path);
}

void run_program(std::initializer_list<std::string> arguments) {
  std::vector<std::string> strings(arguments);
  for (const char* program : {"losetup", "mount", "umount"}) {
    if (strings.front() == program) check_machine_wide(strings.front());
  }
  std::vector<char*> argv;
  std::string line;
  for (std::string& argument : strings) {
    argv.push_back(argument.data());
    line += argument + " ";
  }
  argv.push_back(nullptr);

  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_with_errno("pipe");
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDERR_FILENO);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(line + ": " + std::strerror(error));
  input.reset();

  std::string printed;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(output.get(), buffer, sizeof buffer)) > 0;) {
    printed.append(buffer, static_cast<std::size_t>(got));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(line + "failed: " + printed);
  }
}

LoopDevice::LoopDevice(std::string path, std::string backing)
    : path_(std::move(path)), backing_(std::move(backing)) {}

LoopDevice::LoopDevice(LoopDevice&& other) noexcept
    : path_(std::exchange(other.path_, {})), backing_(std::move(other.backing_)) {}

LoopDevice::~LoopDevice() { detach(); }

LoopDevice LoopDevice::make(const std::string& backing, std::uint64_t size_bytes,
                            std::uint32_t sector_bytes, const LoopOptions& options) {
  check_machine_wide("a loop device on " + backing);
  if (struct stat status = {}; ::stat(backing.c_str(), &status) != 0) {
    make_sparse_file(backing, size_bytes);
  }
  const int access = options.read_only ? O_RDONLY : O_RDWR;
  const UniqueFd file(::open(backing.c_str(), access | O_CLOEXEC));
  if (!file.valid()) fail_with_errno("open " + backing);
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) fail_with_errno("open /dev/loop-control");

  loop_config config = {};
  config.fd = static_cast<__u32>(file.get());
  config.block_size = sector_bytes;
  if (options.read_only) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
  config.info.lo_offset = options.offset_bytes;
  config.info.lo_sizelimit = options.size_limit_bytes;
  if (options.direct_io) config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
  std::strncpy(reinterpret_cast<char*>(config.info.lo_file_name), backing.c_str(),
               LO_NAME_SIZE - 1);

  // Other processes attach loop devices concurrently: the free one may be taken meanwhile.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) fail_with_errno("LOOP_CTL_GET_FREE");
    std::string path = "/dev/loop" + std::to_string(number);
    const UniqueFd loop(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop.valid()) fail_with_errno("open " + path);
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return {std::move(path), backing};
    if (errno != EBUSY) fail_with_errno("LOOP_CONFIGURE " + path + " on " + backing);
  }
  throw std::runtime_error("no free loop device for " + backing);
}

void LoopDevice::detach() {
  if (path_.empty()) return;
  const UniqueFd loop(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (loop.valid()) ::ioctl(loop.get(), LOOP_CLR_FD);
  path_.clear();
}

void LoopDevice::reread_size() const {
  const UniqueFd loop(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!loop.valid() || ::ioctl(loop.get(), LOOP_SET_CAPACITY) != 0) {
    fail_with_errno("LOOP_SET_CAPACITY " + path_);
  }
}

Mount::Mount(const std::string& source, const std::string& target, const std::string& type,
             const std::string& options)
    : target_(target) {
  check_machine_wide("a mount on " + target);
  if (::mount(source.c_str(), target.c_str(), type.c_str(), 0, options.c_str()) != 0) {
    fail_with_errno("mount " + source + " on " + target);
  }
}

Mount::~Mount() { unmount(); }

void Mount::unmount() {
  if (target_.empty()) return;
  if (::umount2(target_.c_str(), 0) != 0) ::umount2(target_.c_str(), MNT_DETACH);
  target_.clear();
}

Tmpfs::Tmpfs(std::uint64_t size_bytes)
    : mount_("tmpfs", directory_.path(), "tmpfs", "size=" + std::to_string(size_bytes)) {}

}  // namespace blkrewind::test
