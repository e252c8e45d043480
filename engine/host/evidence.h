// The evidence of who a device is, as the kernel gives it: sysfs for block devices, the file
// system's ioctls for files. What of it proves anything: identity.h.
//
// Cheap, except where a content is read: that of the disk below a partition when nothing else tells
// that disk. Nothing here fails; what cannot be learned stays empty. Any thread.
#pragma once

#include <sys/stat.h>

#include <string>

#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// Of the block device, and of what it stands on; without the content's UUIDs. `fd`: an open
// descriptor of it, which a loop device is asked through; -1: its node is opened.
[[nodiscard]] DeviceIdentity block_evidence(DeviceNumber device, int fd = -1);

// Fills in the UUIDs of the device's content; false when its node cannot be opened.
[[nodiscard]] bool read_block_content(DeviceNumber device, DeviceIdentity& identity);

// Of the open regular file `fd` (its fstat: `status`), and of the block device that holds it.
[[nodiscard]] DeviceIdentity file_evidence(int fd, const struct stat& status,
                                           const std::string& real_path);

// Nothing tells it but this boot's attachment, its place and its content: then the content's UUIDs
// are worth reading.
[[nodiscard]] bool is_nameless(const DeviceIdentity& identity);

}  // namespace blkrewind::host
