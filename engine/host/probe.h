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
#include "host/writers.h"

namespace blkrewind::host {

// `path`: a block device or a regular file; symbolic links are followed.
// What cannot be learned (no serial, an ambiguous signature) stays empty; it is not an error.
// Errors: kNotFound - nothing of that name; kInvalidArgument - neither a block device nor a regular
// file; kIo (errno) - it cannot be opened or asked for its size.
[[nodiscard]] Result<DeviceInfo> probe_device(const std::string& path);

// A descriptor to ask, and what is known of it from its opening.
struct ProbeSubject {
  int fd = -1;             // of the open file itself: its locks and its hold are no use
  int bytes_fd = -1;       // takes unaligned reads
  bool exclusive = false;  // no other process can hold it exclusively
  bool ask_uses = true;
  bool look_for_writers = false;
  bool writable = false;
  Answer other_writers = Answer::kUnknown;  // from before it was opened for writing
  bool only_opener = false;
};

// The same of an open file; `path`: what it was opened by. kBusy when that leads elsewhere now.
[[nodiscard]] Result<DeviceInfo> probe_opened(const ProbeSubject& subject, const std::string& path);
// The same without asking who uses it: used_by stays empty, and nothing is opened exclusively.
[[nodiscard]] Result<DeviceInfo> examine_device(const std::string& path);

}  // namespace blkrewind::host
