// One device, one truth: what other nodes cache of its bytes agrees with the medium.
#pragma once

#include "blkrewind/error.h"
#include "io/env.h"
#include "io/sysfs.h"

namespace blkrewind::io {

// File::settle_caches() of a block device. In three rounds over its family (device_family.h): dirty
// pages are written back; all pages are dropped; and of pages that stay, it is proved that they are
// what a direct read sees. Before writing, a page that stays is refused: it would be stale
// afterwards.
[[nodiscard]] Status settle_caches_of(DeviceNumber device, CacheUse use);

}  // namespace blkrewind::io
