// The loop devices that are attached now, and what backs each of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "blkrewind/units.h"
#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

struct LoopDevice {
  DeviceNumber device = 0;
  std::string node;                 // "/dev/loop0"
  std::string backing_file;         // the kernel's path of it, without the suffix " (deleted)"
  bool backing_known = false;       // the driver has reported the three fields below
  FileId backing;                   // of the file
  DeviceNumber backing_device = 0;  // if the backing file is a block device
  std::uint64_t size_limit = 0;     // as requested at setup; 0: none
  Extent range;                     // the bytes of the backing file that the device maps
  bool is_plain = false;            // the bytes are mapped unchanged, says the driver
};

// The loop device of that number; empty if it is not a loop device or not attached. The driver is
// asked for its backing file (LOOP_GET_STATUS64) and knows the inode even if it was renamed;
// through `fd` if that is a descriptor of the device or of its partition (otherwise -1), or through
// its node. If that cannot be opened the backing file stays unknown: the path in sysfs may be
// another file in this mount namespace. Errors: kUnsupported, with a remedy, as ask_attribute().
[[nodiscard]] Result<std::optional<LoopDevice>> ask_loop_device(DeviceNumber device, int fd = -1);

// All attached loop devices. Without sysfs the list is empty only if the kernel has no loop driver.
[[nodiscard]] Result<std::vector<LoopDevice>> ask_loop_devices();

// The same, for callers that can do without it.
[[nodiscard]] std::optional<LoopDevice> loop_device(DeviceNumber device);

// Whether both map a common byte of the same file.
[[nodiscard]] bool ranges_overlap(const Extent& a, const Extent& b);

}  // namespace blkrewind::host
