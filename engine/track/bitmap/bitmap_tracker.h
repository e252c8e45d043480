// The tracker that lets a program in the kernel mark every write to a block device, whoever makes
// it.
//
// It stands as long as its *epoch*: the same boot, the same device (number, diskseq, size, place of
// a partition, file below a loop), the same disk and store, and a program that still runs. Anything
// else, and nothing is known: the caller scans.
//
// What it cannot see, and so is not for: writes that do not pass the device's own queue. start()
// refuses devices without request queues (dm, md, zram, the head of an NVMe multipath), those with
// DAX, and zoned ones. Writing to the file below a loop device behind its back is seen by nobody,
// nor is a device that between two operations got another size, or another offset in its file, and
// then its own back.
#pragma once

#include <memory>
#include <optional>

#include "blkrewind/error.h"
#include "track/tracker.h"

namespace blkrewind::track {

// kUnsupported when this device, or this machine, cannot be tracked so. kAlreadyExists: it is.
[[nodiscard]] Status start_bitmap(const TrackedDisk& disk);
[[nodiscard]] Result<bool> stop_bitmap(const TrackedDisk& disk);
// Null: the disk is not tracked so.
[[nodiscard]] Result<std::unique_ptr<Tracker>> find_bitmap(const TrackedDisk& disk);
[[nodiscard]] Result<std::optional<TrackerState>> bitmap_state(const TrackedDisk& disk,
                                                               const std::string& anchor);

}  // namespace blkrewind::track
