#include "host/probe.h"

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
#include "base/remedies.h"
#include "host/blkid_identity.h"
#include "host/evidence.h"
#include "host/file_attributes.h"
#include "host/file_locks.h"
#include "host/loops.h"
#include "host/stays.h"
#include "host/sysfs.h"
#include "host/usage.h"

namespace blkrewind::host {
namespace {

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
    return std::move(error).with_remedy(
        permission_remedy("run it as root, or as a user that may read the device"));
  }
  if (sys_errno == ENXIO || sys_errno == ENOMEDIUM) {
    return std::move(error).with_remedy("no medium or no backing file: attach one first");
  }
  return error;
}

Error cannot_find(int sys_errno, const std::string& path) {
  Error error = system_error(sys_errno, "cannot find " + path);
  if (sys_errno == ENOENT || sys_errno == ENOTDIR) {
    error.code = Errc::kNotFound;
    return std::move(error).with_remedy(
        run_program("check the name among the block devices", "lsblk"));
  }
  return io_error(sys_errno, error.message);
}

tl::unexpected<Error> replaced(const std::string& path) {
  return fail(Errc::kBusy, path + " was given to another device or file while it was inspected",
              "see what it is now, then try again");
}

// Nodes may differ, as in a container's own /dev, and still be the same device.
bool is_same(const struct stat& a, const struct stat& b) {
  if (S_ISBLK(a.st_mode) || S_ISBLK(b.st_mode)) {
    return S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode) && a.st_rdev == b.st_rdev;
  }
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// The path of the open file, without symbolic links.
Result<std::string> real_path_of(const std::string& path, const struct stat& opened) {
  struct stat named {};
  if (::stat(path.c_str(), &named) != 0 || !is_same(named, opened)) return replaced(path);
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real == nullptr) return fail(cannot_find(errno, path));
  if (::stat(real.get(), &named) != 0 || !is_same(named, opened)) return replaced(path);
  return std::string(real.get());
}

// Open file description locks on it: a virtual machine (QEMU) protects its image by them, and
// reveals itself by them on a block device that it has opened without O_EXCL.
void add_lock_use(int fd, DeviceInfo& info) {
  if (stays_held([&] { return is_locked(fd); })) {
    info.used_by.push_back(
        {"locked by another program, for example a running virtual machine",
         run_program("see which program holds the lock, and stop it", "lslocks")});
  }
}

void add_writer(const Sought& sought, DeviceInfo& info) {
  if (const auto writer = find_lasting_writer(sought)) {
    info.used_by.push_back(
        {"open for writing in " + writer->program + " (process " + std::to_string(writer->process) +
             ", " + writer->path + ")",
         run_program("end that program, or let it close the device", "lsof", {info.real_path})});
  }
}

Status probe_block(const ProbeSubject& subject, const struct stat& status, DeviceInfo& info) {
  const int fd = subject.fd;
  info.kind = DeviceKind::kBlock;
  info.major = major(status.st_rdev);
  info.minor = minor(status.st_rdev);
  const auto known = ask_attribute(sysfs_directory(status.st_rdev) + "/dev");
  if (!known || !*known) {
    return fail(
        Errc::kUnsupported,
        "cannot determine who uses " + info.path + ": " +
            (known ? "sysfs does not know the device" : known.error().message),
        known ? run_program("name the device by its own node", "lsblk") : known.error().remedy);
  }
  int sector_bytes = 0;
  int read_only = 0;
  if (::ioctl(fd, BLKGETSIZE64, &info.size_bytes) != 0 ||
      ::ioctl(fd, BLKSSZGET, &sector_bytes) != 0 || ::ioctl(fd, BLKROGET, &read_only) != 0) {
    return fail(io_error(errno, "cannot ask " + info.path + " for its size"));
  }
  info.logical_sector_bytes = static_cast<std::uint32_t>(sector_bytes);
  info.read_only = read_only != 0;
  info.identity = block_evidence(status.st_rdev, fd);
  if (!subject.ask_uses) return {};
  BLKREWIND_ASSIGN(Uses uses, uses_of_device(status.st_rdev, fd));
  info.used_by = std::move(uses.used_by);
  info.unknown = std::move(uses.unknown);
  add_lock_use(fd, info);
  if (info.used_by.empty() && subject.look_for_writers) add_writer(uses.watched, info);
  if (info.used_by.empty() && !subject.exclusive) {
    // Last, and only if nothing else was found: for this moment the probe is the exclusive holder.
    // Finds other holders of any kind, also of the partitions and of the whole disk (the kernel's
    // bd_may_claim), and mounts in other mount namespaces.
    const auto held = [&] {
      const std::string self = "/proc/self/fd/" + std::to_string(fd);
      const UniqueFd exclusive(::open(self.c_str(), kLookFlags | O_EXCL));
      return !exclusive.valid() && errno == EBUSY;
    };
    if (stays_held(held)) {
      info.used_by.push_back(
          {"opened exclusively by another program",
           run_program("find that program and end it", "lsof", {info.real_path})
               .or_else("unmount it in the mount namespace of a container, whose "
                        "/proc/PID/mounts names it")});
    }
  }
  return {};
}

Status probe_file(const ProbeSubject& subject, const struct stat& status, DeviceInfo& info) {
  info.kind = DeviceKind::kFile;
  info.size_bytes = static_cast<std::uint64_t>(status.st_size);
  info.identity = file_evidence(subject.fd, status, info.real_path);
  // Also refused on a file system mounted read-only, and for an immutable file even to root.
  const std::string self = "/proc/self/fd/" + std::to_string(subject.fd);
  info.read_only = ::faccessat(AT_FDCWD, self.c_str(), W_OK, AT_EACCESS) != 0;
  if (WriteBar bar = write_bar(subject.fd, info.real_path); !bar.reason.empty()) {
    info.read_only = true;
    info.read_only_reason = std::move(bar.reason);
    info.read_only_remedy = std::move(bar.remedy);
  }
  if (!subject.ask_uses) return {};
  BLKREWIND_ASSIGN(Uses uses, uses_of_file(info.identity.backing_id));
  info.used_by = std::move(uses.used_by);
  // A loop device or swap has the file open: if nothing else has it open, there is neither, even if
  // some checks were not possible.
  const bool alone = subject.only_opener ||
                     (!uses.unknown.empty() && !subject.exclusive && is_only_opener(subject.fd));
  if (!alone) info.unknown = std::move(uses.unknown);
  add_lock_use(subject.fd, info);
  if (!info.used_by.empty() || !subject.look_for_writers) return {};
  const Answer written =
      subject.writable ? subject.other_writers : open_for_writing_elsewhere(subject.fd);
  if (written != Answer::kNo) {
    add_writer(uses.watched, info);
    // If a check was not possible, that is the better answer.
    if (info.used_by.empty() && info.unknown.empty() && written == Answer::kYes) {
      info.used_by.push_back(
          {"open for writing in a process that is not visible here, or in the kernel itself",
           run_program("look for it as root outside of containers", "lsof", {info.real_path})
               .and_then("look for NFS, iSCSI and loop devices that serve it")});
    }
  }
  return {};
}

Result<DeviceInfo> look_at(const std::string& path, bool ask_uses) {
  // Before the open: opening a device of the wrong kind may have side effects (a tape rewinds).
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(cannot_find(errno, path));
  if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode)) {
    return fail(
        Errc::kInvalidArgument,
        path + " is " + kind_name(status.st_mode) + ", not a block device or an image file",
        run_program("name one of the block devices", "lsblk").or_else("name an image file"));
  }
  const UniqueFd fd(open_past_leases(path, kLookFlags));
  if (!fd.valid()) {
    return fail(io_error(errno, "cannot open " + path));
  }
  struct stat opened {};
  if (::fstat(fd.get(), &opened) != 0) {
    return fail(io_error(errno, "cannot inspect " + path));
  }
  if (!is_same(opened, status)) return replaced(path);
  return probe_opened({.fd = fd.get(), .bytes_fd = fd.get(), .ask_uses = ask_uses}, path);
}

}  // namespace

Result<DeviceInfo> probe_device(const std::string& path) { return look_at(path, true); }

Result<DeviceInfo> examine_device(const std::string& path) { return look_at(path, false); }

Result<DeviceInfo> probe_opened(const ProbeSubject& subject, const std::string& path) {
  DeviceInfo info;
  info.path = path;
  struct stat status {};
  if (::fstat(subject.fd, &status) != 0) {
    return fail(io_error(errno, "cannot inspect " + path));
  }
  BLKREWIND_ASSIGN(info.real_path, real_path_of(path, status));
  info.modified_at = status.st_mtim.tv_sec;
  if (S_ISBLK(status.st_mode)) {
    BLKREWIND_TRY(probe_block(subject, status, info));
  } else {
    BLKREWIND_TRY(probe_file(subject, status, info));
  }
  read_content_identity(subject.bytes_fd, info.identity);
  return info;
}

}  // namespace blkrewind::host
