// Is the device under this path the one that was registered?
//
// Device names move: /dev/sdb is another disk after a reboot, /dev/loop0 after the next losetup,
// and an image file may be replaced by another of the same name. Restoring onto the wrong one
// destroys it. On the other hand a device whose content was wiped, repartitioned or given a new
// file system is the very one that a rollback is for. So what the content says is asked last.
//
// 1. The kind (block device or image file) must be the same.
// 2. Stable facts: serial, WWN, device-mapper UUID, PARTUUID, and for loop devices and image files
//    the backing file (inode) and the offset in it. Each that was known then must be the same now;
//    one that is not known any more counts as different, for another device may just lack it. One
//    that is known only now does not count (a newer kernel tells more), but a device that has
//    become a loop device is another one. When they hold, nothing else matters: not the content,
//    not the node's name, not diskseq (a loop device detached and attached again to the same file
//    is the same).
// 3. Without any stable fact (a plain virtio disk, zram): in the same boot diskseq decides, the
//    kernel's count of attachments that is never used twice (sysfs-block, since Linux 5.15).
// 4. Without that (another boot): the content's identifiers. One of partition table UUID and file
//    system UUID known then must be found again; when none was known there is nothing to go by and
//    the name is believed.
//
// A backing file's inode is told apart by its file system's device number, which btrfs, NFS and
// every reboot hand out anew. So the same inode under another number is the same file only if
// its path is the same and step 4 does not object.
//
// Pure; any thread.
#pragma once

#include <string>

#include "io/device_info.h"

namespace blkrewind::io {

struct IdentityCheck {
  bool same = false;
  std::string difference;  // a clause naming then and now; empty when same
};

[[nodiscard]] IdentityCheck compare_identity(const DeviceInfo& now, DeviceKind then_kind,
                                             const DeviceIdentity& then);

// Whether a device met under another path is the one that was registered: it is, and not only for
// want of anything that says otherwise.
[[nodiscard]] bool same_known_device(const DeviceInfo& now, DeviceKind then_kind,
                                     const DeviceIdentity& then);

}  // namespace blkrewind::io
