// Evidence that distinguishes inodes, even if an inode number is reused or a medium was copied.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// Fills host_filesystem, generation and birth_ns from the open file. Values that the file system
// does not report stay empty. Any thread.
void read_inode_evidence(int fd, const struct stat& status, DeviceIdentity& identity);

// The block device that holds the open file's file system; empty if there are several or none, or
// if the file system does not report it.
[[nodiscard]] std::optional<DeviceNumber> only_device_under(int fd, const struct stat& status);

}  // namespace blkrewind::host
