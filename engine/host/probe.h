// What a device or image file is, how large, and who uses it.
//
// All of it is asked of an open descriptor, or of sysfs by that descriptor's device number: the
// path is resolved once. Reads only: sysfs, /proc, ioctl queries and the bytes that libblkid looks
// at. The kernel can notice two things: a momentary O_EXCL open, taken last to learn whether
// another process holds the device, and a momentary lease on an image file. Any thread may call,
// several at a time.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "io/local_file.h"

namespace blkrewind::io {

// `path`: a block device or a regular file; symbolic links are followed.
// What cannot be learned (no serial, an ambiguous signature) stays empty; it is not an error.
// Errors: kNotFound - nothing of that name; kInvalidArgument - neither a block device nor a regular
// file; kIo (errno) - it cannot be opened or asked for its size.
[[nodiscard]] Result<DeviceInfo> probe_device(const std::string& path);

// The same of an open file, with those who have it open for writing; see Env::probe(File&).
[[nodiscard]] Result<DeviceInfo> probe_opened(LocalFile& file, bool look_for_writers = true);
// The same without asking who uses it: used_by stays empty, and nothing is opened exclusively.
[[nodiscard]] Result<DeviceInfo> examine_device(const std::string& path);

}  // namespace blkrewind::io
