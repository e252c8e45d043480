// The other nodes that show bytes of a device: its whole disk, partitions, and what it stands on.
//
// Each node of a block device has a page cache of its own, and the kernel keeps them apart: what is
// written through /dev/sda is not seen in pages that /dev/sda1 has cached, and dirty pages of
// /dev/sda1 are not seen through /dev/sda. A regular file has one cache for all its readers, also a
// loop device on it; that one needs no care.
//
// Devices above (dm, md, loops on it) are users of the device: it is refused while there are any
// (usage.h). Other dm devices that map the same sectors of a common disk, as LVM's snapshots do,
// are not of the family, since where they map is theirs to know.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "host/sysfs.h"

namespace blkrewind::host {

struct FamilyMember {
  DeviceNumber device = 0;
  std::string node;   // "/dev/loop0p1"
  Extent range;       // those of its bytes that may be bytes of the device that was asked about
  bool exact = true;  // they are; else some of them
};

// Without the device itself. Every member comes before those that
// it stands on: written back in this order, no dirty page is left in any of them.
[[nodiscard]] std::vector<FamilyMember> device_family(DeviceNumber device);

// Opens a member for reading, not exclusively; by a private node where there is none in /dev.
// kPrecondition, with what to do, where neither works: what its cache holds cannot be known.
[[nodiscard]] Result<UniqueFd> open_member(const FamilyMember& member);

}  // namespace blkrewind::host
