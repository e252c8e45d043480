// Every block device that is attached now, with the evidence of who it is.
#pragma once

#include <cstdint>
#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"

namespace blkrewind::host {

// Of those that have a size, partitions too; path and real_path are the node. Costs a few reads of
// sysfs a device. Those of `content_bytes` that nothing but their content tells are opened and
// looked at as well (0: none is). Uses are not looked at. Any thread.
// Errors: kUnsupported - sysfs is not there, or one that would have to be looked at cannot be
// opened: then it cannot be said that it is not a copy.
[[nodiscard]] Result<std::vector<DeviceInfo>> attached_devices(std::uint64_t content_bytes);

}  // namespace blkrewind::host
