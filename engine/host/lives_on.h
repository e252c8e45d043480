// Whether a directory is stored on the device that is about to be rewritten.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "host/device_info.h"

namespace blkrewind::host {

// True if rewriting `device` could change bytes of the file system that holds `directory` (or, if
// it does not exist yet, its nearest existing parent).
//
// The search goes downwards from the directory: its file system -> the block devices under it (the
// whole pool of btrfs; the upper layer of an overlay) -> for a partition, its disk; for a dm or md
// device, its slaves; for a loop device, its backing device, or the file system that holds its
// backing file, and so on. The result is true if the search finds
//   - the device, or a device below it (for a loop device over a block device);
//   - a partition of it; or, if it is a partition, a file system or a dm member on the whole
//     disk. Another partition of the same disk does not count;
//   - a loop device backed by it, if it is an image file; or by the same bytes of the same file, if
//     it is a loop device.
// File systems that do not report their devices are not followed: ZFS, FUSE, network file systems.
// Only reads /proc, sysfs and the directory's attributes; any thread. Errors: kIo, kNotFound;
// kPrecondition, with a remedy, if a part of the path cannot be examined: that is not the same as
// false.
[[nodiscard]] Result<bool> lives_on(const std::string& directory, const DeviceInfo& device);

}  // namespace blkrewind::host
