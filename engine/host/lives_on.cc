#include "host/lives_on.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "host/loops.h"
#include "host/mounts.h"
#include "host/sysfs.h"

namespace blkrewind::host {
namespace {

// The mount that an open file is on; -1 if the kernel does not tell. By its id, not by the longest
// matching mount point: mount points can be stacked, bound and hidden.
int mount_id_of(const UniqueFd& fd) {
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

std::string option_value(const std::string& options, const std::string& key) {
  const std::string padded = "," + options;
  const std::size_t at = padded.find("," + key + "=");
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t begin = at + key.size() + 2;
  return padded.substr(begin, padded.find(',', begin) - begin);
}

class MountWalk {
 public:
  MountWalk(const DeviceInfo& target, std::vector<Mount> mounts)
      : target_(target), mounts_(std::move(mounts)) {}

  // The devices below the target are rewritten with it.
  [[nodiscard]] Status begin() {
    if (target_.kind != DeviceKind::kBlock) return {};
    DeviceNumber device = makedev(target_.major, target_.minor);
    while (rewritten_.insert(device).second) {
      BLKREWIND_ASSIGN(const DeviceNumber whole, ask_whole_disk(device));
      BLKREWIND_ASSIGN(const auto loop, ask_loop_device(whole));
      if (!loop || loop->backing_device == 0) {
        break;
      }
      device = loop->backing_device;
    }
    return {};
  }

  // Queues the block devices that hold the file system of `fd`.
  [[nodiscard]] Status enter(const UniqueFd& fd) {
    struct stat status {};
    if (::fstat(fd.get(), &status) == 0 && major(status.st_dev) != 0) {
      queue_.push_back(status.st_dev);
      return {};
    }
    const int id = mount_id_of(fd);
    const auto mount = std::find_if(mounts_.begin(), mounts_.end(),
                                    [id](const Mount& each) { return each.id == id; });
    if (mount == mounts_.end()) {
      return fail(Errc::kUnsupported, "its mount is not in /proc/self/mountinfo",
                  run_program("mount the proc file system", "mount -t proc proc /proc"));
    }
    if (!entered_.insert(id).second) return {};
    const auto devices = devices_under(*mount);
    queue_.insert(queue_.end(), devices.begin(), devices.end());
    if (devices.empty() && (mount->type == "btrfs" || mount->type == "bcachefs")) {
      return fail(Errc::kUnsupported,
                  "the device of the file system on " + mount->mount_point + ", " + mount->source +
                      ", is not visible here",
                  "make its node in /dev, or run it outside of the container");
    }
    if (mount->type == "overlay") {
      // A read-only overlay has none, and nothing in it changes.
      const std::string upper = option_value(mount->super_options, "upperdir");
      if (upper.empty()) return {};
      const UniqueFd below(::open(upper.c_str(), O_PATH | O_CLOEXEC));
      if (below.valid()) return enter(below);
      return fail(Errc::kUnsupported,
                  "the upper directory " + upper + " of the overlay on " + mount->mount_point +
                      " is not visible here",
                  "keep the store in a volume of the container, or run it outside of it");
    }
    return {};
  }

  [[nodiscard]] Result<bool> reaches_target() {
    while (!queue_.empty()) {
      const DeviceNumber device = queue_.back();
      queue_.pop_back();
      if (!visited_.insert(device).second) continue;
      BLKREWIND_ASSIGN(const bool reached, visit(device));
      if (reached) return true;
    }
    return false;
  }

 private:
  // A device that holds the file system: all of its bytes count.
  Result<bool> visit(DeviceNumber device) {
    BLKREWIND_ASSIGN(const DeviceNumber whole, ask_whole_disk(device));
    if (rewritten_.contains(device) || rewritten_.contains(whole)) {
      return true;
    }
    const bool is_disk_of_target =
        std::any_of(rewritten_.begin(), rewritten_.end(),
                    [device](DeviceNumber rewritten) { return whole_disk(rewritten) == device; });
    if (is_disk_of_target) {
      return true;
    }
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
  Result<bool> visit_backing(const LoopDevice& loop, const Extent& range) {
    if (loop.backing_device != 0) {
      queue_.push_back(loop.backing_device);
      return false;
    }
    if (loop.backing.inode != 0 && loop.backing == target_.identity.backing_id) {
      const Extent rewritten = {target_.identity.backing_offset, target_.size_bytes};
      if (target_.kind == DeviceKind::kFile || ranges_overlap(rewritten, range)) {
        return true;
      }
    }
    const UniqueFd file(::open(loop.backing_file.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    if (file.valid() && ::fstat(file.get(), &status) == 0 &&
        FileId{.device = status.st_dev, .inode = status.st_ino} == loop.backing) {
      BLKREWIND_TRY(enter(file));
    } else if (major(loop.backing.device) != 0) {
      queue_.push_back(loop.backing.device);  // deleted or renamed: its file system still exists
    } else {
      return fail(
          Errc::kUnsupported,
          "the file below " + loop.node + ", " + loop.backing_file + ", is not visible here",
          "run it outside of the container");
    }
    return false;
  }

  const DeviceInfo& target_;
  std::vector<Mount> mounts_;
  std::set<DeviceNumber> rewritten_;
  std::vector<DeviceNumber> queue_;
  std::set<DeviceNumber> visited_;
  std::set<int> entered_;
};

std::string parent_of(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  const std::size_t slash = end == std::string::npos ? end : path.rfind('/', end);
  if (slash == std::string::npos) {
    return path.starts_with('/') ? "/" : ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
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

}  // namespace

Result<bool> lives_on(const std::string& directory, const DeviceInfo& device) {
  // A file system reaches an image file only through a user that has it open, and then the image is
  // not free.
  if (device.kind == DeviceKind::kFile && device.used_by.empty() && device.unknown.empty()) {
    return false;
  }
  BLKREWIND_ASSIGN(const UniqueFd fd, open_nearest(directory));
  BLKREWIND_ASSIGN(std::vector<Mount> mounts, read_mounts());
  MountWalk walk(device, std::move(mounts));
  auto answer = [&]() -> Result<bool> {
    BLKREWIND_TRY(walk.begin());
    BLKREWIND_TRY(walk.enter(fd));
    return walk.reaches_target();
  }();
  if (answer || answer.error().code != Errc::kUnsupported) return answer;
  return fail(Errc::kPrecondition,
              "cannot tell whether " + directory + " lives on " + device.path + ": " +
                  answer.error().message,
              answer.error().remedy);
}

}  // namespace blkrewind::host
