// All block devices that are attached now, with the evidence of their identity.
#pragma once

#include <cstdint>
#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"

namespace blkrewind::host {

// Lists devices with a size, including partitions; path and real_path are the node. Costs a few
// reads of sysfs per device. Nameless devices of `content_bytes` bytes, which only their content
// identifies, are also opened and read (0: none). Usage is not checked. Any thread. Errors:
// kUnsupported - sysfs is not available, or a device that has to be read cannot be opened: then a
// copy cannot be ruled out.
[[nodiscard]] Result<std::vector<DeviceInfo>> attached_devices(std::uint64_t content_bytes);

}  // namespace blkrewind::host
