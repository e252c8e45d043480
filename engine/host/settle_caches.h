// Makes what other nodes cache of a device's bytes agree with the medium.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "host/sysfs.h"

namespace blkrewind::host {

enum class CacheUse : std::uint8_t { kBeforeReading, kBeforeWriting, kAfterWriting };

// File::settle_caches() of a block device. Three passes over the device and its family
// (device_family.h): dirty pages are written back; all pages are dropped; pages that stay are
// compared with a direct read. Before writing, a page of another node that stays is refused: it
// would be stale afterwards.
//
// The device's own pages, which direct I/O updates where it writes, are stale as well if the bytes
// were changed another way: through another node, or in the file below a loop device. `own_fd`:
// open for reading, buffered.
[[nodiscard]] Status settle_caches_of(DeviceNumber device, int own_fd, CacheUse use);

}  // namespace blkrewind::host
