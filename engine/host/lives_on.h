// Does a directory live on the device that is about to be rewritten?
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "host/device_info.h"

namespace blkrewind::host {

// True if rewriting `device` could change bytes of the file system that holds `directory` (or,
// while it does not exist yet, its nearest existing parent).
//
// Followed downwards from the directory: its file system -> the block devices under it (all of a
// btrfs pool; the upper layer of an overlay) -> of a partition, its disk; of a dm or md device, its
// slaves; of a loop device, its backing device, or the file system that holds its backing file, and
// so on. True when that way comes upon
//   - the device, or what it is itself a window on (a loop device over a block device);
//   - a partition of it; or, if it is a partition, a file system or a dm member that takes the
//   whole
//     disk. Another partition of the same disk does not count;
//   - a loop device backed by it, if it is an image file; or by the same bytes of the same file, if
//     it is a loop device.
// What a file system never tells is not followed: ZFS, FUSE, the network's.
// Only reads /proc, sysfs and the directory's attributes; any thread. Errors: kIo, kNotFound;
// kPrecondition, with a hint, when a part of the way cannot be seen here: that is no "false".
[[nodiscard]] Result<bool> lives_on(const std::string& directory, const DeviceInfo& device);

}  // namespace blkrewind::host
