// The way to a super block: open_super().
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <future>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "host/mount_views.h"
#include "host/stack.h"
#include "host/supers.h"

namespace blkrewind::host {
namespace {

// A mount that another one hides cannot be reached by any path. In a private copy of the mount
// namespace what hides it can be unmounted without anyone noticing. The copy belongs to a thread
// and ends with it; the descriptor keeps the mount.
//
// Mounting the device once more would be simpler, and is not sound: if its last mount went away in
// between, it would be a new mount, which writes to the device. The copy of a namespace of another
// user namespace keeps its mounts locked together, so there a hidden mount stays out of reach.
class Uncovering {
 public:
  explicit Uncovering(DeviceNumber super) : super_(super) {}

  // O_PATH; invalid: it was not possible.
  [[nodiscard]] UniqueFd in_view_of(pid_t seen_by) {
    const UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    UniqueFd space;
    if (seen_by != 0) {
      const std::string path = "/proc/" + std::to_string(seen_by) + "/ns/mnt";
      space.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!space.valid()) return {};
    }
    return std::async(std::launch::async, [&] { return in_copy(proc, space); }).get();
  }

 private:
  UniqueFd in_copy(const UniqueFd& proc, const UniqueFd& space) const {
    if (::unshare(CLONE_FS) != 0) return {};
    if (space.valid() && ::setns(space.get(), CLONE_NEWNS) != 0) return {};
    // Private before anything is unmounted, so that none of it reaches the other namespaces.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return {};
    }
    const auto mounts = read_mounts_in(proc.get(), "thread-self/mountinfo");
    if (!mounts) return {};
    for (const Mount& mount : *mounts) {
      if (mount.device != super_) continue;
      if (UniqueFd fd = uncover(mount, *mounts); fd.valid()) return fd;
    }
    return {};
  }

  static UniqueFd uncover(const Mount& wanted, const std::vector<Mount>& mounts) {
    const std::set<int> way = way_to(wanted, mounts);
    const std::string& path = wanted.mount_point;
    UniqueFd fd;
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      while (true) {
        fd.reset(::open(part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.valid()) return {};
        const int id = mount_id_of(fd);
        if (way.contains(id)) break;
        const bool is_mounted_here = std::any_of(
            mounts.begin(), mounts.end(),
            [&](const Mount& each) { return each.id == id && each.mount_point == part; });
        fd.reset();  // else it would stay in use
        if (!is_mounted_here || ::umount2(part.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
          return {};
        }
      }
      if (end == std::string::npos) break;
    }
    if (mount_id_of(fd) != wanted.id) return {};
    return fd;
  }

  // The mount and those that it is mounted on, one upon another.
  static std::set<int> way_to(const Mount& wanted, const std::vector<Mount>& mounts) {
    std::set<int> way;
    const Mount* at = &wanted;
    while (at != nullptr && way.insert(at->id).second) {
      const auto parent = std::find_if(mounts.begin(), mounts.end(),
                                       [&](const Mount& each) { return each.id == at->parent; });
      at = parent == mounts.end() ? nullptr : &*parent;
    }
    return way;
  }

  DeviceNumber super_;
};

// An anonymous number may have been given to another file system since.
bool is_still(const MountedSuper& super, const UniqueFd& fd) {
  return fd.valid() && (major(super.id) != 0 || super.type != "btrfs" || super.devices.empty() ||
                        is_of_pool(fd, super.devices));
}

bool is_in(const MountView& view, DeviceNumber super) {
  return std::any_of(view.mounts.begin(), view.mounts.end(),
                     [super](const Mount& mount) { return mount.device == super; });
}

}  // namespace

Result<UniqueFd> open_super(const MountedSuper& super) {
  UniqueFd fd = open_at(super.id, {.seen_by = super.seen_by, .mount_point = super.mount_point});
  if (is_still(super, fd)) return fd;
  BLKREWIND_ASSIGN(const auto views, read_mount_views());
  for (const MountView& view : views) {
    for (const Mount& mount : view.mounts) {
      if (mount.device != super.id) continue;
      fd = open_at(super.id, {.seen_by = view.seen_by, .mount_point = mount.mount_point});
      if (is_still(super, fd)) return fd;
    }
  }
  bool is_mounted = false;
  for (const MountView& view : views) {
    if (!is_in(view, super.id)) continue;
    is_mounted = true;
    fd = open_located(Uncovering(super.id).in_view_of(view.seen_by));
    if (is_still(super, fd)) return fd;
  }
  return fail(Errc::kNotFound,
              is_mounted ? "the " + super.type + " file system on " + super.mount_point +
                               " cannot be reached: another mount hides it"
                         : "the " + super.type + " file system on " + super.mount_point +
                               " is not mounted there any more",
              is_mounted
                  ? Remedy("unmount what is mounted over it, or mount it once more elsewhere")
                  : Remedy("try again"));
}

}  // namespace blkrewind::host
