// What tells one inode from another, also when its number is used again or its medium was copied.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// Fills host_filesystem, generation and birth_ns from the open file. What the file system does not
// tell stays empty. Any thread.
void read_inode_evidence(int fd, const struct stat& status, DeviceIdentity& identity);

// The block device that holds the open file's file system; none when several do, or none does, or
// the file system does not tell.
[[nodiscard]] std::optional<DeviceNumber> only_device_under(int fd, const struct stat& status);

}  // namespace blkrewind::host
