// The table of a device-mapper device: what it shows. Exchanging it changes the whole content
// without a write, as `lvconvert --merge` does.
#pragma once

#include <cstdint>

#include "host/sysfs.h"

namespace blkrewind::host {

// A hash of the table in use, as `dmsetup table` prints it; 0: not a device-mapper device, or it
// cannot be read. Needs CAP_SYS_ADMIN. Allocates the answer; any thread.
[[nodiscard]] std::uint64_t device_mapper_table(DeviceNumber whole);

}  // namespace blkrewind::host
