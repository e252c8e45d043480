// The identifiers in the content of a device, as libblkid reads them.
#pragma once

#include "host/device_info.h"

namespace blkrewind::host {

// Fills filesystem_uuid, filesystem_type, table_uuid and partition_uuid of `identity` from the open
// block device or regular file `fd` (read-only is enough, its offset is not used). Never fails: a
// value that is missing, cannot be read or is ambiguous (signatures of two file systems, for which
// blkid_do_safeprobe() returns -2) stays empty. Any thread.
void read_content_identity(int fd, DeviceIdentity& identity);

}  // namespace blkrewind::host
