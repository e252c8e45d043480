// One device, one truth: what other nodes cache of its bytes agrees with the medium.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "host/sysfs.h"

namespace blkrewind::host {

enum class CacheUse : std::uint8_t { kBeforeReading, kBeforeWriting, kAfterWriting };

// File::settle_caches() of a block device. In three rounds over it and its family
// (device_family.h): dirty pages are written back; all pages are dropped; and of pages that stay,
// it is proved that they are what a direct read sees. Before writing, a page of another node that
// stays is refused: it would be stale afterwards.
//
// The device's own pages, which direct I/O renews where it writes, are stale as well when the bytes
// were changed by another way: through another node, or in the file below a loop device.
// `own_fd`: open for reading, buffered.
[[nodiscard]] Status settle_caches_of(DeviceNumber device, int own_fd, CacheUse use);

}  // namespace blkrewind::host
