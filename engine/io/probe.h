// What a path is, how large, and who uses it.
//
// Reads only: sysfs, /proc, ioctl queries and the bytes that libblkid looks at. The one open that
// the kernel can notice is a momentary O_EXCL one, taken last to learn whether somebody else holds
// the device, and closed again at once. Any thread may call, several at a time.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "io/device_info.h"

namespace blkrewind::io {

// `path`: a block device or a regular file; symbolic links are followed.
// What cannot be learned (no serial, an ambiguous signature) stays empty; it is not an error.
// Errors: kNotFound - nothing of that name; kInvalidArgument - neither a block device nor a regular
// file; kIo (errno) - it cannot be opened or asked for its size.
[[nodiscard]] Result<DeviceInfo> probe_device(const std::string& path);

// The same without asking who uses it: used_by stays empty, and nothing is opened exclusively.
[[nodiscard]] Result<DeviceInfo> examine_device(const std::string& path);

}  // namespace blkrewind::io
