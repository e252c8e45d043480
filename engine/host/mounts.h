// What is mounted and what is swapped on, and the block devices under it.
//
// As this process sees it: mounts of other mount namespaces are not listed (a device mounted there
// is still claimed, which an exclusive open notices); mount_views.h lists those too. Only reads
// /proc and sysfs; any thread.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// One line of /proc/self/mountinfo (proc(5)).
struct Mount {
  int id = 0;
  int parent = 0;           // the mount that it is mounted on
  DeviceNumber device = 0;  // of the super block; anonymous (major 0) for btrfs, overlay, NFS, ...
  std::string root;         // what of the file system is mounted; "/": all of it
  std::string mount_point;
  std::string type;
  std::string source;
  std::string super_options;
};

// One line of /proc/swaps.
struct Swap {
  std::string path;
  bool visible = false;     // the path leads to it here: one of the two below is known
  bool is_file = false;     // as the kernel says, also of one that is not visible
  DeviceNumber device = 0;  // when it is a block device
  FileId file;              // when it is a swap file
};

// Errors: kIo when /proc is not there, another file system is, or a line makes no sense. Without
// these two no device can be called free.
[[nodiscard]] Result<std::vector<Mount>> read_mounts(
    const std::string& list = "/proc/self/mountinfo");
// The same of a list in another folder, for a thread that does not see /proc.
[[nodiscard]] Result<std::vector<Mount>> read_mounts_in(int folder, const std::string& list);
[[nodiscard]] Result<std::vector<Swap>> read_swaps();

// All of another list in /proc; empty when it cannot be read.
[[nodiscard]] std::string read_list(const std::string& path);

// For tests: the parser alone.
[[nodiscard]] Result<std::vector<Mount>> parse_mountinfo(std::string text);

// The block devices that hold the file system of a mount: its own; for btrfs all of the pool, from
// /sys/fs/btrfs/UUID/devices; none for file systems that are not on block devices (tmpfs, NFS), and
// for those that do not tell (ZFS, FUSE).
[[nodiscard]] std::vector<DeviceNumber> devices_under(const Mount& mount);

// The value of KEY in "rw,KEY=value,..."; empty: it is not there.
[[nodiscard]] std::string option_value(const std::string& options, const std::string& key);

}  // namespace blkrewind::host
