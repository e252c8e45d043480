#include "host/usage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/fd.h"
#include "host/device_family.h"
#include "host/file_locks.h"
#include "host/loops.h"
#include "host/mounts.h"
#include "host/stays.h"

namespace blkrewind::host {
namespace {

Remedy holder_remedy(DeviceNumber holder) {
  const std::string directory = sysfs_directory(holder);
  const std::string node = node_path(holder);
  const std::string name = read_attribute(directory + "/dm/name");
  if (!name.empty()) {
    const std::string uuid = read_attribute(directory + "/dm/uuid");
    if (uuid.starts_with("LVM-")) {
      return run_program("deactivate it", "lvchange -an", {"/dev/mapper/" + name});
    }
    return uuid.starts_with("CRYPT-") ? run_program("close it", "cryptsetup close", {name})
                                      : run_program("remove it", "dmsetup remove", {name});
  }
  if (node.starts_with("/dev/md")) {
    return run_program("stop the array", "mdadm --stop", {node});
  }
  return "stop " + node + " first";
}

Remedy unmount(const std::string& mount_point) {
  return run_program("unmount it", "umount", {mount_point});
}

std::string holder_text(DeviceNumber holder) {
  const std::string name = node_path(holder).substr(std::string("/dev/").size());
  if (name.starts_with("md")) {
    return "a member of " + name;
  }
  const std::string dm_name = read_attribute(sysfs_directory(holder) + "/dm/name");
  return "held by " + name + (dm_name.empty() ? "" : " (" + dm_name + ")");
}

// Locks on the file below a loop device: another blkrewind operation locks an image so, and a
// virtual machine its own.
bool file_is_locked(const LoopDevice& loop) {
  const UniqueFd fd(open_past_leases(loop.backing_file, O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (fd.valid() && ::fstat(fd.get(), &status) == 0 &&
      FileId{.device = status.st_dev, .inode = status.st_ino} == loop.backing) {
    return is_locked(fd.get());
  }
  // Under another path, or deleted. The list of locks uses the file system's device number, which
  // on btrfs differs from that of stat(2).
  std::array<char, 64> id{};
  (void)std::snprintf(id.data(), id.size(), " %02x:%02x:%llu ", major(loop.backing.device),
                      minor(loop.backing.device),
                      static_cast<unsigned long long>(loop.backing.inode));
  return read_list("/proc/locks").find(id.data()) != std::string::npos;
}

// The state of the machine, read once, searched from the target outwards.
class Survey {
 public:
  [[nodiscard]] Status read() {
    BLKREWIND_ASSIGN(mounts_, read_mounts());
    // A device used as swap is held exclusively, so only files need the list.
    if (auto swaps = read_swaps()) {
      swaps_ = *std::move(swaps);
    } else {
      no_swaps_ = std::move(swaps).error();
    }
    (void)known(ask_loop_devices(), loops_);
    return {};
  }

  [[nodiscard]] Uses of_device(DeviceNumber target, int fd) {
    uses_.watched.devices.insert(target);
    std::vector<DeviceNumber> partitions;
    if (known(ask_partitions(target), partitions)) {
      uses_.watched.devices.insert(partitions.begin(), partitions.end());
    }
    above(target, {}, true);
    below(target, fd);
    add_family(target);
    unknown_loops();
    return std::move(uses_);
  }

  [[nodiscard]] Uses of_file(const FileId& file) {
    uses_.watched.files.push_back(file);
    if (no_swaps_) unknown({no_swaps_->message, no_swaps_->remedy});
    file_uses(file, {}, {}, nullptr);
    for (const Mount& mount : mounts_) {
      // A file system in a file without a loop device: erofs.
      struct stat source {};
      if (mount.type == "erofs" && ::stat(mount.source.c_str(), &source) == 0 &&
          FileId{.device = source.st_dev, .inode = source.st_ino} == file) {
        add({}, "mounted on " + mount.mount_point, unmount(mount.mount_point));
      }
    }
    for (const Swap& swap : swaps_) {
      if (swap.is_file && !swap.visible) {
        unknown({"the swap file " + swap.path + " of /proc/swaps is not visible here",
                 Remedy("run it outside of the container")
                     .or_else(run_program("stop swapping on it", "swapoff", {swap.path}))});
      }
    }
    unknown_loops();
    return std::move(uses_);
  }

 private:
  void unknown(Unknown what) {
    const auto same = [&](const Unknown& each) { return each.what == what.what; };
    if (std::none_of(uses_.unknown.begin(), uses_.unknown.end(), same)) {
      uses_.unknown.push_back(std::move(what));
    }
  }

  // Stores the answer in `value`; or records what is missing, and leaves `value` unchanged.
  template <class T>
  bool known(Result<T> answer, T& value) {
    if (answer) {
      value = *std::move(answer);
      return true;
    }
    unknown({std::move(answer.error().message), std::move(answer.error().remedy)});
    return false;
  }

  // A process that writes to any other node over the same bytes, or to a file below one of them, is
  // a writer of the target.
  void add_family(DeviceNumber target) {
    for (const FamilyMember& member : device_family(target)) {
      uses_.watched.devices.insert(member.device);
      for (const LoopDevice& loop : loops_) {
        if (loop.device == member.device && loop.backing_known && loop.backing_device == 0) {
          uses_.watched.files.push_back(loop.backing);
        }
      }
    }
  }

  void unknown_loops() {
    for (const LoopDevice& loop : loops_) {
      if (loop.backing_known || visited_.contains(loop.device)) continue;
      unknown({"what " + loop.node +
                   " is backed by cannot be queried: its node is not here, or may not "
                   "be opened",
               run_program("make the node", "mknod",
                           {loop.node, "b", std::to_string(major(loop.device)),
                            std::to_string(minor(loop.device))})
                   .or_else("run it as root outside of the container")});
    }
  }

  // `subject`: the used device, "" for the target itself, otherwise "partition /dev/loop0p1".
  void add(const std::string& subject, const std::string& what, Remedy remedy) {
    uses_.used_by.push_back({subject.empty() ? what : subject + " is " + what, std::move(remedy)});
  }

  // The users above `device`. Reasons found deeper come first, because they must be resolved first.
  void above(DeviceNumber device, const std::string& subject, bool with_partitions) {
    if (!visited_.insert(device).second) {
      return;
    }
    if (with_partitions) {
      std::vector<DeviceNumber> partitions;
      (void)known(ask_partitions(device), partitions);
      for (const DeviceNumber partition : partitions) {
        above(partition, "partition " + node_path(partition), false);
      }
    }
    for (const LoopDevice& loop : loops_) {
      if (loop.backing_known && loop.backing_device == device) {
        loop_use(loop, subject);
      }
    }
    std::vector<DeviceNumber> holders;
    (void)known(ask_holders(device), holders);
    for (const DeviceNumber holder : holders) {
      above(holder, node_path(holder) + " on it", true);
      add(subject, holder_text(holder), holder_remedy(holder));
    }
    std::set<std::string> seen;
    for (auto mount = mounts_.rbegin(); mount != mounts_.rend(); ++mount) {
      const auto devices = devices_under(*mount);
      if (std::find(devices.begin(), devices.end(), device) == devices.end() ||
          !seen.insert(mount->mount_point).second) {
        continue;
      }
      add(subject, "mounted on " + mount->mount_point,
          mount->mount_point == "/"
              ? Remedy("the running system stands on it: boot another one for this")
              : unmount(mount->mount_point));
    }
    for (const Swap& swap : swaps_) {
      if (swap.visible && swap.device == device) {
        add(subject, "used as swap", run_program("stop swapping on it", "swapoff", {swap.path}));
      }
    }
  }

  // A loop device that was visited already is the target, or on the path to it: not its own user.
  void loop_use(const LoopDevice& loop, const std::string& subject) {
    if (visited_.contains(loop.device)) {
      return;
    }
    above(loop.device, loop.node + " on it", true);
    uses_.used_by.push_back({(subject.empty() ? "" : subject + " ") + "backs " + loop.node,
                             run_program("detach it", "losetup -d", {loop.node})});
  }

  // Swap on the file, and loop devices that map bytes of `range` of it (empty: any byte).
  void file_uses(const FileId& file, const Extent& range, const std::string& subject,
                 const LoopDevice* except) {
    for (const LoopDevice& loop : loops_) {
      const bool is_other = except == nullptr || loop.device != except->device;
      if (is_other && loop.backing_known && loop.backing == file && loop.backing_device == 0 &&
          (range.empty() || ranges_overlap(loop.range, range))) {
        loop_use(loop, subject);
      }
    }
    for (const Swap& swap : swaps_) {
      if (swap.visible && swap.device == 0 && swap.file == file) {
        add(subject, "used as swap", run_program("stop swapping on it", "swapoff", {swap.path}));
      }
    }
  }

  // The devices below: rewriting the device rewrites a part of them. `fd`: of the device, or -1.
  void below(DeviceNumber device, int fd) {
    DeviceNumber whole = device;
    (void)known(ask_whole_disk(device), whole);
    uses_.watched.devices.insert(whole);
    if (whole != device) {
      above(whole, "its whole disk " + node_path(whole), false);
    }
    std::optional<LoopDevice> loop;
    if (!known(ask_loop_device(whole, fd), loop) || !loop) {
      return;
    }
    visited_.insert(whole);
    if (!loop->backing_known) {
      unknown({"what " + loop->node + " is backed by cannot be queried: its node is not here",
               "run it where the node is"});
    } else if (loop->backing_device != 0) {
      uses_.watched.devices.insert(loop->backing_device);
      above(loop->backing_device, "its backing device " + node_path(loop->backing_device), true);
      below(loop->backing_device, -1);
    } else {
      uses_.watched.files.push_back(loop->backing);
      const Extent range = {loop->range.offset + partition_start_bytes(device),
                            device_size_bytes(device)};
      file_uses(loop->backing, range, "its backing file", &*loop);
      if (stays_held([&] { return file_is_locked(*loop); })) {
        add("its backing file",
            "locked by another program, for example a running virtual machine or blkrewind",
            run_program("see which program holds the lock, and stop it", "lslocks"));
      }
    }
  }

  std::vector<Mount> mounts_;
  std::vector<Swap> swaps_;
  std::optional<Error> no_swaps_;  // why they are not known
  std::vector<LoopDevice> loops_;
  std::set<DeviceNumber> visited_;
  Uses uses_;
};

}  // namespace

Result<Uses> uses_of_device(DeviceNumber device, int fd) {
  Survey survey;
  BLKREWIND_TRY(survey.read());
  return survey.of_device(device, fd);
}

Result<Uses> uses_of_file(const FileId& file) {
  Survey survey;
  BLKREWIND_TRY(survey.read());
  return survey.of_file(file);
}

}  // namespace blkrewind::host
