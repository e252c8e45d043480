// The other nodes over the bytes of a device: its whole disk, partitions, and the devices below it.
//
// Each node of a block device has a page cache of its own, and the kernel does not keep them
// coherent: data written through /dev/sda is not visible in pages that /dev/sda1 has cached, and
// dirty pages of /dev/sda1 are not visible through /dev/sda. A regular file has one page cache for
// all its readers, including a loop device over it, and needs no such care.
//
// Devices above (dm, md, loop devices over it) are users of the device: it is refused while there
// are any (usage.h). Other dm devices that map the same sectors of a common disk, such as LVM
// snapshots, do not belong to the family, because only they know their mapping.
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
  Extent range;       // the range of its bytes that may be bytes of the requested device
  bool exact = true;  // all of them are; otherwise some of them
};

// Without the device itself. Every member precedes the members below it: writing them back in this
// order leaves no dirty page in any of them.
[[nodiscard]] std::vector<FamilyMember> device_family(DeviceNumber device);

// Opens a member for reading, not exclusively; through a private node if there is none in /dev.
// kPrecondition, with a remedy, if neither works: the content of its cache is unknown.
[[nodiscard]] Result<UniqueFd> open_member(const FamilyMember& member);

}  // namespace blkrewind::host
