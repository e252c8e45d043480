#include "track/extents/clone_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/remedies.h"

namespace blkrewind::track {
namespace {

constexpr const char* kReflinkHint =
    "keep the image on a file system with reflink: XFS (mkfs.xfs -m reflink=1) or btrfs";

tl::unexpected<Error> last_error(const std::string& message) {
  return tl::unexpected(system_error(errno, message));
}

Error clone_error(int sys_errno) {
  Error error = system_error(sys_errno, "cannot create a reflink clone of the image");
  switch (sys_errno) {
    case EOPNOTSUPP:
    case ENOTTY:
    case EXDEV:
    case EINVAL:
    case ETXTBSY:  // a swap file
      error.code = Errc::kUnsupported;
      error.remedy = kReflinkHint;
      break;
    default:
      break;
  }
  return error;
}

Result<int> flags_of(int fd) {
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return last_error("cannot read a file's flags");
  return flags;
}

// btrfs refuses to share data between a copy-on-write file and one without copy-on-write (chattr
// +C). Shared blocks are not overwritten in either.
Status take_over_no_cow(int fd, int source) {
  BLKREWIND_ASSIGN(const int wanted, flags_of(source));
  BLKREWIND_ASSIGN(int flags, flags_of(fd));
  if ((wanted & FS_NOCOW_FL) == (flags & FS_NOCOW_FL)) return {};
  flags ^= FS_NOCOW_FL;
  if (::ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) return last_error("cannot set a file's flags");
  return {};
}

}  // namespace

Result<bool> places_are_unique(int fd) {
  struct statfs status = {};
  if (::fstatfs(fd, &status) != 0) return last_error("cannot query the image's file system");
  if (status.f_type == BTRFS_SUPER_MAGIC) return true;
  if (status.f_type != XFS_SUPER_MAGIC) return false;
  fsxattr attributes = {};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) {
    return last_error("cannot read the image's flags");
  }
  return (attributes.fsx_xflags & FS_XFLAG_REALTIME) == 0;
}

Result<UniqueFd> make_unnamed(int directory, int source) {
  const UniqueFd writable(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!writable.valid()) {
    Error error = system_error(errno, "cannot create a file beside the image");
    if (error.sys_errno == EROFS) error.remedy = "mount the image's file system writable";
    return tl::unexpected(std::move(error));
  }
  if (source >= 0) {
    BLKREWIND_TRY(take_over_no_cow(writable.get(), source));
    while (::ioctl(writable.get(), FICLONE, source) != 0) {
      if (errno != EINTR) return tl::unexpected(clone_error(errno));
    }
  }
  // Processes that have an immutable file open for writing can still write to it: keep no such
  // descriptor.
  const std::string self = "/proc/self/fd/" + std::to_string(writable.get());
  UniqueFd fd(::open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return last_error("cannot open " + self);
  return fd;
}

Status give_name(int fd, int directory, const std::string& name) {
  // By its path in /proc: AT_EMPTY_PATH requires an additional capability.
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  if (::linkat(AT_FDCWD, self.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  Error error = system_error(errno, "cannot name a file beside the image " + name);
  if (error.sys_errno == EEXIST) error.code = Errc::kAlreadyExists;
  return tl::unexpected(std::move(error));
}

Result<bool> is_immutable(int fd) {
  BLKREWIND_ASSIGN(const int flags, flags_of(fd));
  return (flags & FS_IMMUTABLE_FL) != 0;
}

Status set_immutable(int fd, bool on) {
  BLKREWIND_ASSIGN(int flags, flags_of(fd));
  if (((flags & FS_IMMUTABLE_FL) != 0) == on) return {};
  flags ^= FS_IMMUTABLE_FL;
  if (::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) return {};
  Error error = system_error(
      errno, std::string("cannot make a file ") + (on ? "immutable" : "mutable again"));
  if (error.sys_errno == EPERM) {
    error.remedy = permission_remedy("run it as root (CAP_LINUX_IMMUTABLE)");
  }
  return tl::unexpected(std::move(error));
}

Status remove_immutable(int directory, const std::string& name) {
  // O_NONBLOCK in case another program put a FIFO there.
  const UniqueFd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status = {};
  if (fd.valid() && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) {
    BLKREWIND_TRY(set_immutable(fd.get(), false));
  }
  if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return last_error("cannot remove " + name);
}

Result<std::uint32_t> generation_of(int fd) {
  std::uint32_t generation = 0;  // the kernel writes an int, whatever size the request encodes
  if (::ioctl(fd, FS_IOC_GETVERSION, &generation) != 0) {
    return last_error("cannot query the image's inode generation");
  }
  return generation;
}

std::optional<std::string> read_xattr(int fd, const std::string& name) {
  std::array<char, 4096> value = {};
  const ssize_t length = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
  if (length < 0) return std::nullopt;
  return std::string(value.data(), static_cast<std::size_t>(length));
}

Status write_xattr(int fd, const std::string& name, const std::string& value) {
  if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) return {};
  return last_error("cannot write the attribute " + name);
}

Status sync(int fd, const std::string& what) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) return last_error("cannot flush " + what);
  }
  return {};
}

}  // namespace blkrewind::track
