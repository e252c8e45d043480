// Which processes have a device or an image file open for writing.
//
// Two methods are used. /proc/PID/fd and /proc/PID/maps name the process, for processes that this
// one may inspect: root sees its PID namespace and those below it; other users see their own
// processes. A lease on a regular file (fcntl(2), F_SETLEASE) names no process, but the kernel
// grants it only if nothing else has the file open, be it a process of another PID namespace or the
// kernel itself (a loop device, NFS or iSCSI service). Neither detects writers on other machines.
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
// kUnknown: leases are not available (a network file system, another user's file), or this process
// itself has it open. A writer counts only if it stays for half a second. Any thread.
[[nodiscard]] Answer open_for_writing_elsewhere(int fd);

// Whether `fd` is the only open file description of the regular file, for reading or writing. False
// also if that is unknown.
[[nodiscard]] bool is_only_opener(int fd);

// The files to search for.
struct Sought {
  std::set<DeviceNumber> devices;
  std::vector<FileId> files;
};

struct Writer {
  pid_t process = 0;
  std::string program;  // its comm
  std::string path;     // the path of the open file, as seen by that process
};

// Searches the process table once, without this process. Processes that may not be inspected are
// skipped. Any thread.
[[nodiscard]] std::optional<Writer> find_writer(const Sought& sought);

// The same for another process, if it stays for half a second: udev and similar programs open
// devices for a moment.
[[nodiscard]] std::optional<Writer> find_lasting_writer(const Sought& sought);

}  // namespace blkrewind::host
