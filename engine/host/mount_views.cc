#include "host/mount_views.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace blkrewind::host {
namespace {

bool is_task_number(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string task_folder(pid_t seen_by) {
  return seen_by == 0 ? "/proc/self" : "/proc/" + std::to_string(seen_by);
}

// What decides the mounts a task sees: its namespace and, after chroot(2), its root.
using ViewKey = std::tuple<std::uint64_t, DeviceNumber, std::uint64_t, std::uint64_t>;

// Empty: this process may not ask, or the task has ended.
std::optional<ViewKey> view_of(const std::string& task) {
  struct stat space {};
  struct statx root {};
  if (::stat((task + "/ns/mnt").c_str(), &space) != 0 ||
      ::statx(AT_FDCWD, (task + "/root").c_str(), AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID,
              &root) != 0) {
    return std::nullopt;
  }
  return ViewKey{space.st_ino, makedev(root.stx_dev_major, root.stx_dev_minor), root.stx_ino,
                 (root.stx_mask & STATX_MNT_ID) != 0 ? root.stx_mnt_id : 0};
}

class ViewReader {
 public:
  [[nodiscard]] Status own() {
    BLKREWIND_ASSIGN(auto mounts, read_view(0));
    views_.push_back({.seen_by = 0, .mounts = std::move(mounts)});
    if (const auto view = view_of("/proc/self")) seen_.insert(*view);
    return {};
  }

  void add(const std::string& number) {
    pid_t task = 0;
    std::from_chars(number.data(), number.data() + number.size(), task);
    const auto view = view_of(task_folder(task));
    if (view && seen_.contains(*view)) return;
    auto mounts = read_view(task);
    if (!mounts || mounts->empty()) return;  // it has ended
    // Read of this task, and not of another that has got its number since.
    if (view && view_of(task_folder(task)) == view) seen_.insert(*view);
    const auto same = [&](const MountView& each) {
      return std::equal(each.mounts.begin(), each.mounts.end(), mounts->begin(), mounts->end(),
                        [](const Mount& a, const Mount& b) {
                          return a.id == b.id && a.device == b.device &&
                                 a.mount_point == b.mount_point;
                        });
    };
    if (std::any_of(views_.begin(), views_.end(), same)) return;
    views_.push_back({.seen_by = task, .mounts = *std::move(mounts)});
  }

  [[nodiscard]] std::vector<MountView> take() { return std::move(views_); }

 private:
  std::vector<MountView> views_;
  std::set<ViewKey> seen_;
};

}  // namespace

Result<std::vector<Mount>> read_view(pid_t seen_by) {
  return read_mounts(task_folder(seen_by) + "/mountinfo");
}

Result<std::vector<MountView>> read_mount_views() {
  ViewReader reader;
  BLKREWIND_TRY(reader.own());
  for (const std::string& process : list_names("/proc")) {
    if (!is_task_number(process)) continue;
    reader.add(process);
    // A thread may have a mount namespace of its own (unshare(2)).
    const std::string tasks = "/proc/" + process + "/task";
    struct stat folder {};
    constexpr nlink_t kWithOneThread = 3;  // fs/proc/base.c, proc_task_getattr
    if (::stat(tasks.c_str(), &folder) != 0 || folder.st_nlink == kWithOneThread) continue;
    for (const std::string& thread : list_names(tasks)) {
      if (thread != process) reader.add(thread);
    }
  }
  return reader.take();
}

UniqueFd locate(pid_t seen_by, const std::string& path) {
  if (!path.starts_with('/')) {
    errno = ENOENT;
    return {};
  }
  const std::string root_path = seen_by == 0 ? "/" : task_folder(seen_by) + "/root";
  const UniqueFd root(::open(root_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return {};
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return UniqueFd(static_cast<int>(fd));
  // Before Linux 5.6, or where a filter refuses it. What is found is checked by every caller.
  const std::string below = path == "/" ? "." : path.substr(path.find_first_not_of('/'));
  return UniqueFd(::openat(root.get(), below.c_str(), O_PATH | O_CLOEXEC));
}

int mount_id_of(const UniqueFd& fd) {
  struct statx status {};
  if (::statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) == 0 &&
      (status.stx_mask & STATX_MNT_ID) != 0) {
    return static_cast<int>(status.stx_mnt_id);
  }
  constexpr std::string_view kKey = "mnt_id:";
  const std::string info = read_attribute("/proc/self/fdinfo/" + std::to_string(fd.get()));
  std::size_t at = info.find(kKey);
  if (at == std::string::npos) {
    return -1;
  }
  at = info.find_first_not_of(" \t", at + kKey.size());
  int id = -1;
  if (at != std::string::npos) {
    std::from_chars(info.data() + at, info.data() + info.size(), id);
  }
  return id;
}

std::optional<DeviceNumber> super_of(const UniqueFd& fd, const std::vector<Mount>& mounts) {
  const int id = fd.valid() ? mount_id_of(fd) : -1;
  const auto mount =
      std::find_if(mounts.begin(), mounts.end(), [id](const Mount& each) { return each.id == id; });
  if (mount != mounts.end()) return mount->device;
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 && major(status.st_dev) != 0) return status.st_dev;
  return std::nullopt;
}

UniqueFd open_located(const UniqueFd& located) {
  struct stat status {};
  if (!located.valid() || ::fstat(located.get(), &status) != 0 ||
      (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))) {
    return {};
  }
  const std::string self = "/proc/self/fd/" + std::to_string(located.get());
  return UniqueFd(::open(self.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace blkrewind::host
