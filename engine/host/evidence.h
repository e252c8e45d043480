// The evidence of a device's identity, as the kernel provides it: sysfs for block devices, ioctls
// of the file system for files. identity.h says what it proves.
//
// Cheap, except where content is read: that of the disk below a partition if nothing else
// identifies the disk. Nothing here fails; unknown values stay empty. Any thread.
#pragma once

#include <sys/stat.h>

#include <string>

#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// Of the block device and the layers below it, without the UUIDs of the content. `fd`: an open
// descriptor of it, used to query a loop device; -1: its node is opened.
[[nodiscard]] DeviceIdentity block_evidence(DeviceNumber device, int fd = -1);

// Fills in the UUIDs of the device's content; false if its node cannot be opened.
[[nodiscard]] bool read_block_content(DeviceNumber device, DeviceIdentity& identity);

// Of the open regular file `fd` (its fstat: `status`), and of the block device that holds it.
[[nodiscard]] DeviceIdentity file_evidence(int fd, const struct stat& status,
                                           const std::string& real_path);

// Only its attachment in this boot, its place and its content identify the device: its content's
// UUIDs are then worth reading.
[[nodiscard]] bool is_nameless(const DeviceIdentity& identity);

}  // namespace blkrewind::host
