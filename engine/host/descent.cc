#include "host/descent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "host/loops.h"
#include "host/mount_views.h"
#include "host/supers.h"

namespace blkrewind::host {
namespace {

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? end : path.rfind('/', end);
  if (slash == std::string::npos) {
    return path.starts_with('/') ? "/" : ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void Descent::pass(DeviceNumber super) {
  if (std::find(supers_.begin(), supers_.end(), super) == supers_.end()) supers_.push_back(super);
}

Status Descent::enter(const UniqueFd& fd) {
  const int id = mount_id_of(fd);
  const auto mount = std::find_if(mounts_.begin(), mounts_.end(),
                                  [id](const Mount& each) { return each.id == id; });
  if (mount != mounts_.end()) return enter_mount(*mount);
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && major(status.st_dev) != 0) {
    pass(status.st_dev);
    queue_.push_back(status.st_dev);
    return {};
  }
  return fail(Errc::kUnsupported, "its mount is not in /proc/self/mountinfo",
              run_program("mount the proc file system", "mount -t proc proc /proc"));
}

Status Descent::enter_mount(const Mount& mount) {
  if (!entered_.insert(mount.id).second) return {};
  std::vector<std::string> unseen;
  const auto devices = members_of(mount, 0, unseen);
  queue_.insert(queue_.end(), devices.begin(), devices.end());
  if (!devices.empty()) pass(mount.device);
  if (!unseen.empty()) {
    return fail(Errc::kUnsupported,
                "the device of the file system on " + mount.mount_point + ", " + unseen.front() +
                    ", is not visible here",
                "make its node in /dev, or run it outside of the container");
  }
  if (mount.type != "overlay") return {};
  // A read-only overlay has none, and nothing in it changes.
  const std::string upper = option_value(mount.super_options, "upperdir");
  if (upper.empty()) return {};
  const UniqueFd below(::open(upper.c_str(), O_PATH | O_CLOEXEC));
  if (below.valid()) return enter(below);
  return fail(Errc::kUnsupported,
              "the upper directory " + upper + " of the overlay on " + mount.mount_point +
                  " is not visible here",
              "keep the store in a volume of the container, or run it outside of it");
}

Result<bool> Descent::reaches_goal() {
  while (!queue_.empty()) {
    const DeviceNumber device = queue_.back();
    queue_.pop_back();
    if (!visited_.insert(device).second) continue;
    BLKREWIND_ASSIGN(const bool reached, visit(device));
    if (reached) return true;
  }
  return false;
}

Result<bool> Descent::visit(DeviceNumber device) {
  BLKREWIND_ASSIGN(const DeviceNumber whole, ask_whole_disk(device));
  if (goal_.is_device(device, whole)) return true;
  BLKREWIND_ASSIGN(const auto slaves, ask_slaves(whole));
  queue_.insert(queue_.end(), slaves.begin(), slaves.end());
  BLKREWIND_ASSIGN(const auto loop, ask_loop_device(whole));
  if (!loop) return false;
  if (!loop->backing_known) {
    return fail(Errc::kUnsupported,
                "what " + loop->node + " is backed by cannot be queried: its node is not here",
                "make the node in /dev, or run it outside of the container");
  }
  return visit_backing(*loop, {.offset = loop->range.offset + partition_start_bytes(device),
                               .length = device_size_bytes(device)});
}

// `range`: the relevant bytes of the backing file.
Result<bool> Descent::visit_backing(const LoopDevice& loop, const Extent& range) {
  if (loop.backing_device != 0) {
    queue_.push_back(loop.backing_device);
    return false;
  }
  if (loop.backing.inode != 0 && goal_.is_file(loop.backing, range)) return true;
  const UniqueFd file(::open(loop.backing_file.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (file.valid() && ::fstat(file.get(), &status) == 0 &&
      FileId{.device = status.st_dev, .inode = status.st_ino} == loop.backing) {
    BLKREWIND_TRY(enter(file));
  } else if (const auto mount = std::find_if(mounts_.begin(), mounts_.end(),
                                             [&](const Mount& each) {
                                               return each.device == loop.backing.device &&
                                                      major(each.device) != 0;
                                             });
             mount != mounts_.end()) {
    BLKREWIND_TRY(enter_mount(*mount));  // deleted or renamed: its file system still exists
  } else if (major(loop.backing.device) != 0) {
    pass(loop.backing.device);
    queue_.push_back(loop.backing.device);
  } else {
    return fail(Errc::kUnsupported,
                "the file below " + loop.node + ", " + loop.backing_file + ", is not visible here",
                "run it outside of the container");
  }
  return false;
}

Result<UniqueFd> open_nearest(const std::string& directory) {
  std::string path = directory.empty() ? "." : directory;
  while (true) {
    UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (fd.valid()) {
      return fd;
    }
    const int sys_errno = errno;
    if (sys_errno != ENOENT || path == "/" || path == ".") {
      return fail(system_error(sys_errno, "cannot inspect " + directory));
    }
    path = parent_of(path);
  }
}

}  // namespace blkrewind::host
