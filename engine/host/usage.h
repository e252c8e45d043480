// Who uses a device or an image file, as reasons to show.
#pragma once

#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/sysfs.h"
#include "host/writers.h"

namespace blkrewind::host {

struct Uses {
  std::vector<UsedBy> used_by;
  // What could not be looked at: without it the device cannot be called free.
  std::vector<Unknown> unknown;
  // Whatever is open for writing of these, the device changes: itself, its partitions, its whole
  // disk, and what it is a window on.
  Sought kin;
};

// Everything that would see bytes change under it if the device were rewritten: mounts, swap,
// holders and loop devices, on the device, on its partitions, on its whole disk if it is a
// partition, on the loop devices that it backs, and on what backs it if it is a loop device. What
// has to be undone first comes first. Any thread; only reads /proc and sysfs. `fd`: has the device
// open.
// Errors: kIo - /proc is not there.
[[nodiscard]] Result<Uses> uses_of_device(DeviceNumber device, int fd);

// The same for a regular file: loop devices on it, swap, and mounts of the file itself. What has it
// locked or open is looked at in probe.cc.
[[nodiscard]] Result<Uses> uses_of_file(const FileId& file);

}  // namespace blkrewind::host
