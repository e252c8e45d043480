#include "io/usage.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "blkrewind/shell.h"
#include "io/loops.h"
#include "io/mounts.h"

namespace blkrewind::io {
namespace {

std::string holder_hint(DeviceNumber holder) {
  const std::string directory = sysfs_directory(holder);
  const std::string node = node_path(holder);
  const std::string name = read_attribute(directory + "/dm/name");
  if (!name.empty()) {
    const std::string uuid = read_attribute(directory + "/dm/uuid");
    if (uuid.starts_with("LVM-")) {
      return "deactivate it: lvchange -an " + shell_word("/dev/mapper/" + name);
    }
    return uuid.starts_with("CRYPT-") ? "close it: cryptsetup close " + shell_word(name)
                                      : "remove it: dmsetup remove " + shell_word(name);
  }
  if (node.starts_with("/dev/md")) {
    return "stop the array: mdadm --stop " + node;
  }
  return "stop " + node + " first";
}

std::string holder_text(DeviceNumber holder) {
  const std::string name = node_path(holder).substr(std::string("/dev/").size());
  if (name.starts_with("md")) {
    return "a member of " + name;
  }
  const std::string dm_name = read_attribute(sysfs_directory(holder) + "/dm/name");
  return "held by " + name + (dm_name.empty() ? "" : " (" + dm_name + ")");
}

// One state of the machine, read once, walked from the target outwards.
class Survey {
 public:
  [[nodiscard]] Status read() {
    BLKREWIND_ASSIGN(mounts_, read_mounts());
    BLKREWIND_ASSIGN(swaps_, read_swaps());
    loops_ = loop_devices();
    return {};
  }

  [[nodiscard]] std::vector<UsedBy> of_device(DeviceNumber target) {
    above(target, {}, true);
    below(target);
    return std::move(found_);
  }

  [[nodiscard]] std::vector<UsedBy> of_file(const FileId& file) {
    file_uses(file, {}, {}, nullptr);
    return std::move(found_);
  }

 private:
  // `subject`: who is used, "" for the target itself, else "partition /dev/loop0p1".
  void add(const std::string& subject, const std::string& what, std::string hint) {
    found_.push_back({subject.empty() ? what : subject + " is " + what, std::move(hint)});
  }

  // What stands on `device`. Reasons found deeper come first, as they must be undone first.
  void above(DeviceNumber device, const std::string& subject, bool with_partitions) {
    if (!visited_.insert(device).second) {
      return;
    }
    if (with_partitions) {
      for (const DeviceNumber partition : partitions_of(device)) {
        above(partition, "partition " + node_path(partition), false);
      }
    }
    for (const LoopDevice& loop : loops_) {
      if (loop.backing_device == device) {
        loop_use(loop, subject);
      }
    }
    for (const DeviceNumber holder : holders_of(device)) {
      above(holder, node_path(holder) + " on it", true);
      add(subject, holder_text(holder), holder_hint(holder));
    }
    std::set<std::string> seen;
    for (auto mount = mounts_.rbegin(); mount != mounts_.rend(); ++mount) {
      const auto devices = devices_under(*mount);
      if (std::find(devices.begin(), devices.end(), device) == devices.end() ||
          !seen.insert(mount->mount_point).second) {
        continue;
      }
      add(subject, "mounted on " + mount->mount_point,
          mount->mount_point == "/" ? "the running system stands on it: start another one for this"
                                    : "unmount it: umount " + shell_word(mount->mount_point));
    }
    for (const Swap& swap : swaps_) {
      if (swap.device == device) {
        add(subject, "used as swap", "stop swapping on it: swapoff " + shell_word(swap.path));
      }
    }
  }

  // A loop device that was seen already is the target, or on the way to it: not its own user.
  void loop_use(const LoopDevice& loop, const std::string& subject) {
    if (visited_.contains(loop.device)) {
      return;
    }
    above(loop.device, loop.node + " on it", true);
    found_.push_back({(subject.empty() ? "" : subject + " ") + "backs " + loop.node,
                      "detach it: losetup -d " + loop.node});
  }

  // Swap on the file, and loop devices that show bytes of `range` of it (empty: any byte).
  void file_uses(const FileId& file, const Extent& range, const std::string& subject,
                 const LoopDevice* except) {
    for (const LoopDevice& loop : loops_) {
      const bool is_other = except == nullptr || loop.device != except->device;
      if (is_other && loop.backing == file && loop.backing_device == 0 &&
          (range.empty() || ranges_overlap(loop.range, range))) {
        loop_use(loop, subject);
      }
    }
    for (const Swap& swap : swaps_) {
      if (swap.device == 0 && swap.file == file) {
        add(subject, "used as swap", "stop swapping on it: swapoff " + shell_word(swap.path));
      }
    }
  }

  // What the device is cut from: rewriting it rewrites a part of that.
  void below(DeviceNumber device) {
    const DeviceNumber whole = whole_disk(device);
    if (whole != device) {
      above(whole, "its whole disk " + node_path(whole), false);
    }
    const auto loop = loop_device(whole);
    if (!loop) {
      return;
    }
    if (loop->backing_device != 0) {
      above(loop->backing_device, "its backing device " + node_path(loop->backing_device), true);
      below(loop->backing_device);
    } else if (loop->backing.inode != 0) {
      const Extent range = {loop->range.offset + partition_start_bytes(device),
                            device_size_bytes(device)};
      file_uses(loop->backing, range, "its backing file", &*loop);
    }
  }

  std::vector<Mount> mounts_;
  std::vector<Swap> swaps_;
  std::vector<LoopDevice> loops_;
  std::set<DeviceNumber> visited_;
  std::vector<UsedBy> found_;
};

}  // namespace

Result<std::vector<UsedBy>> uses_of_device(DeviceNumber device) {
  Survey survey;
  BLKREWIND_TRY(survey.read());
  return survey.of_device(device);
}

Result<std::vector<UsedBy>> uses_of_file(const FileId& file) {
  Survey survey;
  BLKREWIND_TRY(survey.read());
  return survey.of_file(file);
}

}  // namespace blkrewind::io
