#include "io/probe.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/fd.h"
#include "blkrewind/shell.h"
#include "io/blkid_identity.h"
#include "io/evidence.h"
#include "io/sysfs.h"
#include "io/usage.h"

namespace blkrewind::io {
namespace {

// O_NONBLOCK: a drive without a medium, or a fifo, must not make us wait.
constexpr int kLookFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

enum class Uses { kAsk, kSkip };

std::string kind_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFCHR:
      return "a character device";
    case S_IFIFO:
      return "a named pipe";
    case S_IFSOCK:
      return "a socket";
    default:
      return "of an unknown kind";
  }
}

Error io_error(int sys_errno, std::string message) {
  Error error = system_error(sys_errno, std::move(message));
  if (sys_errno == EACCES || sys_errno == EPERM) {
    return std::move(error).with_hint("run it as root, or as somebody who may read the device");
  }
  if (sys_errno == ENXIO || sys_errno == ENOMEDIUM) {
    return std::move(error).with_hint("no medium or no backing file: attach one first");
  }
  return error;
}

Result<std::string> resolve(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real == nullptr) {
    Error error = system_error(errno, "cannot find " + path);
    if (error.sys_errno == ENOENT || error.sys_errno == ENOTDIR) {
      error.code = Errc::kNotFound;
      return fail(std::move(error).with_hint("check the name: lsblk lists the block devices"));
    }
    return fail(io_error(error.sys_errno, error.message));
  }
  return std::string(real.get());
}

// Open file description locks on it: how a virtual machine (QEMU) guards its image. It is the only
// sign of use that a regular file gives; and a block device that such a machine has opened without
// O_EXCL gives no other either.
bool is_locked(int fd) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;  // with l_start = l_len = 0: all of it
  return ::fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

// A process that was killed lets go of its files only when the kernel has ended its requests, a
// moment after it is gone. So a refusal for a holder that cannot be named is not given at once.
template <class Held>
bool stays_held(const Held& held) {
  constexpr int kLooks = 50;
  constexpr useconds_t kPauseMicroseconds = 10000;
  for (int look = 1; held(); ++look) {
    if (look == kLooks) return true;
    ::usleep(kPauseMicroseconds);
  }
  return false;
}

void add_lock_use(int fd, DeviceInfo& info) {
  if (stays_held([&] { return is_locked(fd); })) {
    info.used_by.push_back({"locked by another program, for example a running virtual machine",
                            "stop that program: lslocks tells which one"});
  }
}

Status probe_block(const UniqueFd& fd, const struct stat& status, Uses uses, DeviceInfo& info) {
  info.kind = DeviceKind::kBlock;
  info.major = major(status.st_rdev);
  info.minor = minor(status.st_rdev);
  if (::access(sysfs_directory(status.st_rdev).c_str(), F_OK) != 0) {
    return fail(Errc::kUnsupported,
                "cannot tell who uses " + info.path + ": sysfs does not know the device",
                "mount the sys file system on /sys");
  }
  int sector_bytes = 0;
  int read_only = 0;
  if (::ioctl(fd.get(), BLKGETSIZE64, &info.size_bytes) != 0 ||
      ::ioctl(fd.get(), BLKSSZGET, &sector_bytes) != 0 ||
      ::ioctl(fd.get(), BLKROGET, &read_only) != 0) {
    return fail(io_error(errno, "cannot ask " + info.path + " for its size"));
  }
  info.logical_sector_bytes = static_cast<std::uint32_t>(sector_bytes);
  info.read_only = read_only != 0;
  info.identity = block_evidence(status.st_rdev);
  if (uses == Uses::kSkip) return {};
  BLKREWIND_ASSIGN(info.used_by, uses_of_device(status.st_rdev));
  add_lock_use(fd.get(), info);
  if (info.used_by.empty()) {
    // Last, and only when nothing else was found: for this moment we are the exclusive holder.
    // Finds other holders of any kind, also of the partitions and of the whole disk (the kernel's
    // bd_may_claim), and mounts of other mount namespaces.
    const auto held = [&] {
      const UniqueFd exclusive(::open(info.real_path.c_str(), kLookFlags | O_EXCL));
      return !exclusive.valid() && errno == EBUSY;
    };
    if (stays_held(held)) {
      info.used_by.push_back({"opened exclusively by another program",
                              "end it, or unmount it in the mount namespace of a container: lsof " +
                                  shell_word(info.real_path) + " and grep " +
                                  info.real_path.substr(info.real_path.rfind('/') + 1) +
                                  " /proc/*/mounts tell where"});
    }
  }
  return {};
}

Status probe_file(const UniqueFd& fd, const struct stat& status, Uses uses, DeviceInfo& info) {
  info.kind = DeviceKind::kFile;
  info.size_bytes = static_cast<std::uint64_t>(status.st_size);
  info.identity = file_evidence(fd.get(), status, info.real_path);
  // Also refused on a file system mounted read-only, and for an immutable file even to root.
  info.read_only = ::faccessat(AT_FDCWD, info.real_path.c_str(), W_OK, AT_EACCESS) != 0;
  if (uses == Uses::kSkip) return {};
  BLKREWIND_ASSIGN(info.used_by, uses_of_file(info.identity.backing_id));
  add_lock_use(fd.get(), info);
  return {};
}

Result<DeviceInfo> look_at(const std::string& path, Uses uses) {
  DeviceInfo info;
  info.path = path;
  BLKREWIND_ASSIGN(info.real_path, resolve(path));

  // Before the open: opening a device of the wrong kind may have effects (a tape rewinds).
  struct stat status {};
  if (::stat(info.real_path.c_str(), &status) != 0) {
    return fail(io_error(errno, "cannot look at " + path));
  }
  if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode)) {
    return fail(Errc::kInvalidArgument,
                path + " is " + kind_name(status.st_mode) + ", not a block device or an image file",
                "name a block device (lsblk lists them) or an image file");
  }
  const UniqueFd fd(::open(info.real_path.c_str(), kLookFlags));
  if (!fd.valid()) {
    return fail(io_error(errno, "cannot open " + path));
  }
  if (::fstat(fd.get(), &status) != 0) {
    return fail(io_error(errno, "cannot look at " + path));
  }
  if (S_ISBLK(status.st_mode)) {
    BLKREWIND_TRY(probe_block(fd, status, uses, info));
  } else if (S_ISREG(status.st_mode)) {
    BLKREWIND_TRY(probe_file(fd, status, uses, info));
  } else {
    return fail(Errc::kBusy, path + " was replaced while it was being looked at", "try again");
  }
  read_content_identity(fd.get(), info.identity);
  return info;
}

}  // namespace

Result<DeviceInfo> probe_device(const std::string& path) { return look_at(path, Uses::kAsk); }

Result<DeviceInfo> examine_device(const std::string& path) { return look_at(path, Uses::kSkip); }

}  // namespace blkrewind::io
