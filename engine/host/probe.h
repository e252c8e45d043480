// The kind of a device or image file, its size, and its users.
//
// Everything is asked of an open descriptor, or of sysfs by that descriptor's device number: the
// path is resolved once. Reads only: sysfs, /proc, ioctl queries and the bytes that libblkid reads.
// Two side effects are visible: a momentary O_EXCL open, made last to find out whether another
// process holds the device, and a momentary lease on an image file. Any thread may call, several at
// a time.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/writers.h"

namespace blkrewind::host {

// `path`: a block device or a regular file; symbolic links are followed. Values that are not
// available (no serial, an ambiguous signature) stay empty; that is not an error. Errors: kNotFound
// - no such file; kInvalidArgument - neither a block device nor a regular file; kIo (errno) - it
// cannot be opened or its size cannot be read.
[[nodiscard]] Result<DeviceInfo> probe_device(const std::string& path);

// A descriptor to query, and what is known of it from its opening.
struct ProbeSubject {
  int fd = -1;             // of the open file itself: its own locks and its own hold do not count
  int bytes_fd = -1;       // accepts unaligned reads
  bool exclusive = false;  // no other process can hold it exclusively
  bool ask_uses = true;
  bool look_for_writers = false;
  bool writable = false;
  Answer other_writers = Answer::kUnknown;  // from before it was opened for writing
  bool only_opener = false;
};

// The same for an open file; `path`: the path it was opened by. kBusy if the path now refers to
// another file.
[[nodiscard]] Result<DeviceInfo> probe_opened(const ProbeSubject& subject, const std::string& path);
// The same without checking its users: used_by stays empty, and nothing is opened exclusively.
[[nodiscard]] Result<DeviceInfo> examine_device(const std::string& path);

}  // namespace blkrewind::host
