// The devices whose writes the program in the kernel can see, and what it has to know of them.
#pragma once

#include "blkrewind/error.h"
#include "track/bitmap/kernel/changes_abi.h"
#include "track/tracker.h"

namespace blkrewind::track {

// What the bits are bound to, as it is now: the fields of the epoch, and `bios`.
// kUnsupported: not a block device.
[[nodiscard]] Result<blkrewind_control> epoch_of(const TrackedDisk& disk);

// kUnsupported, with what happens instead, for
//   - a device without a request queue of which it is not known how its driver ends bios: all but
//     dm, md, zram and brd. The head of an NVMe multipath hands its bios to the paths below;
//   - zram and brd on kernels that write single pages to them past the queue (until 6.2);
//   - a device whose holder may hand it bios that were announced elsewhere, so that their beginning
//     is not seen: md raid0 and linear (until 6.4, without I/O statistics), bcache;
//   - a path of a multipath device (dm), which may write by its other paths;
//   - devices with DAX, and zoned ones.
[[nodiscard]] Status check_trackable(const TrackedDisk& disk);

// Writes to the whole disk that the kernel has handed to the driver and that have not ended, from
// sysfs; 1 where it cannot be read.
[[nodiscard]] std::uint64_t writes_in_flight(const TrackedDisk& disk);

}  // namespace blkrewind::track
