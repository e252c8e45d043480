#include "freeze/super_block.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <set>

#include "host/mounts.h"
#include "host/sysfs.h"

namespace blkrewind::freeze {
namespace {

// Device nodes, pipes and sockets are not opened: that may do something.
UniqueFd open_on(const std::string& path, const host::MountedSuper& super, const std::string& id) {
  const UniqueFd there(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!there.valid() || ::fstat(there.get(), &status) != 0) return {};
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) return {};
  if (super.type != "btrfs" && status.st_dev != super.id) return {};
  UniqueFd fd(::open(("/proc/self/fd/" + std::to_string(there.get())).c_str(),
                     O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return {};
  const auto found = file_system_id(fd.get());
  return found && *found == id ? std::move(fd) : UniqueFd();
}

UniqueFd open_in_namespace(const std::string& process, const std::string& root,
                           const host::MountedSuper& super, const std::string& id) {
  const auto mounts = host::parse_mountinfo(host::read_list(process + "/mountinfo"));
  if (!mounts) return {};
  for (const host::Mount& mount : *mounts) {
    if (mount.device != super.id || mount.type != super.type) continue;
    if (UniqueFd fd = open_on(root + mount.mount_point, super, id); fd.valid()) return fd;
  }
  return {};
}

bool is_number(const std::string& name) {
  return std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<std::string> file_system_id(int fd) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) {
    return fail(system_error(errno, "cannot ask for the id of a file system"));
  }
  std::string text;
  std::array<char, 3> hex{};
  const auto add = [&](const void* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::snprintf(hex.data(), hex.size(), "%02x", static_cast<const unsigned char*>(bytes)[i]);
      text += hex.data();
    }
  };
  if (status.f_type == BTRFS_SUPER_MAGIC) {
    btrfs_ioctl_fs_info_args info = {};
    if (::ioctl(fd, BTRFS_IOC_FS_INFO, &info) != 0) {
      return fail(system_error(errno, "cannot ask for the UUID of a btrfs file system"));
    }
    add(info.fsid, sizeof info.fsid);
    return text;
  }
  add(&status.f_fsid, sizeof status.f_fsid);
  return text;
}

Result<UniqueFd> find_super(const host::MountedSuper& super, const std::string& id) {
  if (UniqueFd fd = open_in_namespace("/proc/self", "", super, id); fd.valid()) return fd;
  std::set<std::pair<dev_t, ino_t>> seen;
  for (const std::string& name : host::list_names("/proc")) {
    if (!is_number(name)) continue;
    const std::string process = "/proc/" + name;
    struct stat status {};
    if (::stat((process + "/ns/mnt").c_str(), &status) != 0) continue;
    if (!seen.emplace(status.st_dev, status.st_ino).second) continue;
    if (UniqueFd fd = open_in_namespace(process, process + "/root", super, id); fd.valid())
      return fd;
  }
  return fail(Errc::kNotFound, "the " + super.type + " file system that was mounted on " +
                                   super.mount_point + " is not mounted any more");
}

}  // namespace blkrewind::freeze
