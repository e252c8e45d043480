// Which processes have a device or an image file open for writing.
//
// Two witnesses. /proc/PID/fd and /proc/PID/maps name the process, of those that this process may
// look into: root sees all of its PID namespace and those below it; other users see their own. A
// lease on a regular file (fcntl(2), F_SETLEASE) names no process, but the kernel grants none while
// anything has the file open, be it a process of another PID namespace or the kernel itself
// (a loop device, NFS or iSCSI service). Neither knows of writers on other machines.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

enum class Answer : std::uint8_t { kNo, kYes, kUnknown };

// Whether anything else has the regular file open for writing. `fd` has it open for reading only.
// kUnknown: leases are not to be had (a network file system, another user's file), or it is this
// process that has it open. A writer is kYes only when it stays for half a second. Any thread.
[[nodiscard]] Answer open_for_writing_elsewhere(int fd);

// Whether `fd` is the only description that has the regular file open, for reading or writing.
// False also where that cannot be known.
[[nodiscard]] bool is_only_opener(int fd);

// What is looked for.
struct Sought {
  std::set<DeviceNumber> devices;
  std::vector<FileId> files;
};

struct Writer {
  pid_t process = 0;
  std::string program;  // its comm
  std::string path;     // what it has open, as that process calls it
};

// One look at the process table, without this process. Processes that may not be looked
// into are left out. Any thread.
[[nodiscard]] std::optional<Writer> find_writer(const Sought& sought);

// The same of another process, when it stays one for half a second: udev and such open devices for
// a moment.
[[nodiscard]] std::optional<Writer> find_lasting_writer(const Sought& sought);

}  // namespace blkrewind::host
