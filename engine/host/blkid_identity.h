// The identifiers that the content of a device carries, as libblkid reads them.
#pragma once

#include "host/device_info.h"

namespace blkrewind::host {

// Fills filesystem_uuid, filesystem_type, table_uuid and partition_uuid of `identity` from the open
// block device or regular file `fd` (read-only is enough, its offset is not used). Never fails:
// what is not there, cannot be read or is ambiguous (two file systems' signatures at once, for
// which blkid_do_safeprobe() answers -2) is left empty. Any thread may call.
void read_content_identity(int fd, DeviceIdentity& identity);

}  // namespace blkrewind::host
