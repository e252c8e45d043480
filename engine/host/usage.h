// The users of a device or an image file, as reasons for a refusal.
#pragma once

#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/sysfs.h"
#include "host/writers.h"

namespace blkrewind::host {

struct Uses {
  std::vector<UsedBy> used_by;
  // Checks that were not possible; without them the device cannot be considered free.
  std::vector<Unknown> unknown;
  // Writing to any of these changes the device: itself, its partitions, its whole disk, and the
  // devices or files below it.
  Sought watched;
};

// All users that would see bytes change if the device were rewritten: mounts, swap, holders and
// loop devices, on the device, on its partitions, on its whole disk if it is a partition, on the
// loop devices that it backs, and on its backing file or device if it is a loop device. The first
// entry must be resolved first. Any thread; only reads /proc and sysfs. `fd`: has the device open.
// Errors: kIo - /proc is not available.
[[nodiscard]] Result<Uses> uses_of_device(DeviceNumber device, int fd);

// The same for a regular file: loop devices over it, swap, and mounts of the file itself. probe.cc
// checks for locks and open descriptors.
[[nodiscard]] Result<Uses> uses_of_file(const FileId& file);

}  // namespace blkrewind::host
