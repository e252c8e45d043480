// The tracker in which a program in the kernel sets a dirty bit for every write to a block device.
//
// It is valid only within its *epoch*: the same boot, the same device (number, diskseq, size,
// position of a partition, file below a loop device), the same disk and store, and a running
// program. After any change the tracker is invalid: the caller scans.
//
// It does not see writes that bypass the device's own queue (bitmap_devices.h says which devices
// are refused for it). Direct writes to the file below a loop device are not seen, nor is a device
// that is given another size, or another offset in its file, and then its former one, between two
// operations: among them a zram device that is reset and given its size again, and a device-mapper
// device whose table is exchanged for another one and back.
#pragma once

#include <memory>
#include <optional>

#include "blkrewind/error.h"
#include "track/tracker.h"

namespace blkrewind::track {

// kUnsupported if this device, or this machine, does not support it. kAlreadyExists: it is tracked.
[[nodiscard]] Status start_bitmap(const TrackedDisk& disk);
[[nodiscard]] Result<bool> stop_bitmap(const TrackedDisk& disk);
// Null: the disk is not tracked by a bitmap.
[[nodiscard]] Result<std::unique_ptr<Tracker>> find_bitmap(const TrackedDisk& disk);
[[nodiscard]] Result<std::optional<TrackerState>> bitmap_state(const TrackedDisk& disk,
                                                               const std::string& base_snapshot);

}  // namespace blkrewind::track
