// The loop devices that are attached now, and what each stands on.
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
  std::string backing_file;         // the kernel's path of it, without its " (deleted)" mark
  bool backing_known = false;       // the driver has told the three below
  FileId backing;                   // of the file
  DeviceNumber backing_device = 0;  // when the backing file is a block device
  std::uint64_t size_limit = 0;     // as it was asked for when it was set up; 0: none
  Extent range;                     // the bytes of the backing file that the device shows
  bool is_plain = false;            // they are the device's bytes as they are: the driver says so
};

// The loop device of that number; nothing when it is no loop device or not attached.
// What backs it is asked of the driver (LOOP_GET_STATUS64), which knows the very inode whatever was
// renamed since, through `fd` where that is a descriptor of the device or of its partition (else
// -1), or through its node. Where that cannot be opened it stays unknown: the path in sysfs may be
// another file in this mount namespace.
// Errors: kUnsupported, with a hint, as ask_attribute().
[[nodiscard]] Result<std::optional<LoopDevice>> ask_loop_device(DeviceNumber device, int fd = -1);

// All attached ones. Without sysfs there are none only where the kernel has no loop driver.
[[nodiscard]] Result<std::vector<LoopDevice>> ask_loop_devices();

// The same, for facts that may be missing.
[[nodiscard]] std::optional<LoopDevice> loop_device(DeviceNumber device);

// Do both show bytes of the same file, and some byte twice?
[[nodiscard]] bool ranges_overlap(const Extent& a, const Extent& b);

}  // namespace blkrewind::host
