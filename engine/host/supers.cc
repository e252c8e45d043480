#include "host/supers.h"

#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace blkrewind::host {
namespace {

void add_device(std::vector<DeviceNumber>& devices, DeviceNumber device) {
  if (std::find(devices.begin(), devices.end(), device) == devices.end()) {
    devices.push_back(device);
  }
}

// By the node that the process sees under this path, or by the kernel's name of the device.
std::optional<DeviceNumber> device_named(const std::string& path, pid_t seen_by) {
  struct stat node {};
  const UniqueFd fd = locate(seen_by, path);
  if (fd.valid() && ::fstat(fd.get(), &node) == 0 && S_ISBLK(node.st_mode)) return node.st_rdev;
  if (const auto here = block_device_at(path)) return here;
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.empty() ? std::nullopt : device_number_of(join_path("/sys/class/block", name));
}

// The name under which the kernel's messages and folders list it: "cciss!c0d0p1".
std::string folder_name(DeviceNumber device) {
  std::string name = node_path(device);
  constexpr std::string_view kFolder = "/dev/";
  if (name.starts_with(kFolder)) name.erase(0, kFolder.size());
  std::replace(name.begin(), name.end(), '/', '!');
  return name;
}

std::optional<DeviceNumber> ext4_journal(DeviceNumber device) {
  const auto task = read_number("/sys/fs/ext4/" + folder_name(device) + "/journal_task");
  if (!task || *task == 0) return std::nullopt;
  constexpr std::string_view kPrefix = "jbd2/";
  std::string name = read_attribute("/proc/" + std::to_string(*task) + "/comm");
  if (!name.starts_with(kPrefix)) return std::nullopt;
  constexpr std::size_t kShortNameBytesMax = 15;  // of a thread, before Linux 5.17
  const bool may_be_cut = name.size() == kShortNameBytesMax;
  name.erase(0, kPrefix.size());
  std::replace(name.begin(), name.end(), '/', '!');
  if (may_be_cut) {
    std::vector<std::string> whole = list_names("/proc/fs/jbd2");
    std::erase_if(whole, [&](const std::string& each) { return !each.starts_with(name); });
    if (whole.size() == 1) name = whole.front();
  }
  return device_number_of(join_path("/sys/class/block", name));
}

std::vector<DeviceNumber> btrfs_pool(const UniqueFd& fd) {
  std::vector<DeviceNumber> pool;
  btrfs_ioctl_fs_info_args info{};
  if (!fd.valid() || ::ioctl(fd.get(), BTRFS_IOC_FS_INFO, &info) != 0) return pool;
  std::string uuid;
  for (std::size_t i = 0; i < sizeof info.fsid; ++i) {
    std::array<char, 4> digits{};
    (void)std::snprintf(digits.data(), digits.size(), "%02x", info.fsid[i]);
    uuid += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    uuid += digits.data();
  }
  const std::string devices = "/sys/fs/btrfs/" + uuid + "/devices";
  for (const std::string& name : list_names(devices)) {
    if (const auto number = device_number_of(join_path(devices, name))) pool.push_back(*number);
  }
  return pool;
}

void add_option(const Mount& mount, pid_t seen_by, const std::string& key,
                std::vector<DeviceNumber>& devices, std::vector<std::string>& unseen) {
  const std::string path = option_value(mount.super_options, key);
  if (path.empty()) return;
  if (const auto device = device_named(path, seen_by)) {
    add_device(devices, *device);
  } else {
    unseen.push_back(key + "=" + path);
  }
}

bool is_on_block_devices(const Mount& mount) {
  return major(mount.device) != 0 || mount.type == "btrfs" || mount.type == "bcachefs";
}

}  // namespace

std::vector<DeviceNumber> members_of(const Mount& mount, pid_t seen_by,
                                     std::vector<std::string>& unseen) {
  std::vector<DeviceNumber> devices;
  if (major(mount.device) != 0) devices.push_back(mount.device);
  if (mount.type == "btrfs") {
    devices =
        btrfs_pool(open_at(mount.device, {.seen_by = seen_by, .mount_point = mount.mount_point}));
    if (!devices.empty()) return devices;
    // Hidden: by one member, whose node may have another name here.
    Mount renamed = mount;
    if (const auto device = device_named(mount.source, seen_by))
      renamed.source = node_path(*device);
    devices = devices_under(renamed);
    if (devices.empty()) unseen.push_back(mount.source);
  } else if (mount.type == "xfs") {
    add_option(mount, seen_by, "logdev", devices, unseen);
    add_option(mount, seen_by, "rtdev", devices, unseen);
  } else if (mount.type.starts_with("ext")) {
    if (const auto journal = ext4_journal(mount.device)) add_device(devices, *journal);
  } else if (mount.type == "bcachefs") {
    std::size_t begin = 0;
    while (begin < mount.source.size()) {  // "/dev/a:/dev/b"
      const std::size_t end = std::min(mount.source.find(':', begin), mount.source.size());
      const std::string path = mount.source.substr(begin, end - begin);
      begin = end + 1;
      if (const auto device = device_named(path, seen_by)) {
        add_device(devices, *device);
      } else {
        unseen.push_back(path);
      }
    }
  }
  return devices;
}

UniqueFd open_at(DeviceNumber super, const Super::Place& place) {
  const UniqueFd located = locate(place.seen_by, place.mount_point);
  if (!located.valid()) return {};
  // Before it is opened: what hides the file system may be anything.
  const auto mounts = read_view(place.seen_by);
  if (!mounts || super_of(located, *mounts) != super) return {};
  return open_located(located);
}

bool is_of_pool(const UniqueFd& fd, const std::vector<DeviceNumber>& members) {
  const auto pool = btrfs_pool(fd);
  return std::find_first_of(pool.begin(), pool.end(), members.begin(), members.end()) != pool.end();
}

std::vector<Super> list_supers(const std::vector<MountView>& views) {
  std::vector<Super> supers;
  std::map<DeviceNumber, std::size_t> index;
  // Where all of a file system is mounted, then where a part of it is: a folder, a subvolume, a
  // file.
  for (const bool whole : {true, false}) {
    for (const MountView& view : views) {
      for (const Mount& mount : view.mounts) {
        if (!is_on_block_devices(mount) || (mount.root == "/") != whole) continue;
        const auto [found, is_new] = index.emplace(mount.device, supers.size());
        if (is_new) {
          Super super;
          super.mounted = {.id = mount.device,
                           .type = mount.type,
                           .mount_point = mount.mount_point,
                           .seen_by = view.seen_by,
                           .devices = members_of(mount, view.seen_by, super.unseen)};
          supers.push_back(std::move(super));
        } else if (Super& known = supers[found->second]; !known.unseen.empty()) {
          // Of a place that may tell more.
          std::vector<std::string> unseen;
          auto devices = members_of(mount, view.seen_by, unseen);
          if (unseen.size() < known.unseen.size()) {
            known.mounted.devices = std::move(devices);
            known.unseen = std::move(unseen);
          }
        }
        supers[found->second].places.push_back(
            {.seen_by = view.seen_by, .mount_point = mount.mount_point});
      }
    }
  }
  for (Super& super : supers) {
    std::stable_sort(super.places.begin(), super.places.end(),
                     [](const Super::Place& a, const Super::Place& b) {
                       return (a.seen_by == 0) > (b.seen_by == 0);
                     });
    super.mounted.mount_point = super.places.front().mount_point;
    super.mounted.seen_by = super.places.front().seen_by;
  }
  return supers;
}

}  // namespace blkrewind::host
