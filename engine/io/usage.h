// Who uses a device or an image file, as reasons to show.
#pragma once

#include <vector>

#include "blkrewind/error.h"
#include "io/device_info.h"
#include "io/sysfs.h"

namespace blkrewind::io {

// Everything that would see bytes change under it if the device were rewritten: mounts, swap,
// holders and loop devices, on the device, on its partitions, on its whole disk if it is a
// partition, on the loop devices that it backs, and on what backs it if it is a loop device. What
// has to be undone first comes first. Any thread; only reads /proc and sysfs.
// Errors: kIo - /proc is not there.
[[nodiscard]] Result<std::vector<UsedBy>> uses_of_device(DeviceNumber device);

// The same for a regular file: loop devices on it, and swap. A file that another program merely has
// open cannot be told (there is no O_EXCL for files), only one that it has locked; see probe.cc.
[[nodiscard]] Result<std::vector<UsedBy>> uses_of_file(const FileId& file);

}  // namespace blkrewind::io
