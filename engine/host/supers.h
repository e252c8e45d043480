// The super blocks of the machine: what is mounted, whatever the number of its mounts and the
// namespaces they are in.
#pragma once

#include <string>
#include <vector>

#include "host/mount_views.h"
#include "host/stack.h"

namespace blkrewind::host {

// A super block with all the places where it is mounted.
struct Super {
  struct Place {
    pid_t seen_by = 0;
    std::string mount_point;
  };
  MountedSuper mounted;       // at the first of `places`
  std::vector<Place> places;  // this process's own first, and mounts of all of it before parts
  // Its devices that cannot be determined, by the names it was given: "logdev=/dev/sdb".
  std::vector<std::string> unseen;
};

// Every file system on block devices that is mounted somewhere, by what the kernel tells of it:
//   - its own device; for btrfs the pool (/sys/fs/btrfs/UUID/devices); the members of bcachefs;
//   - logdev= and rtdev= of XFS, from its options;
//   - the external journal of ext4, from the name of its journal's thread, which ends in the inode
//     of an internal journal (jbd2/sda1-8) and in nothing for a device (jbd2/sdb1). A kernel
//     without /sys/fs/ext4/NAME/journal_task (before 5.6) does not tell, and neither does a
//     container that does not see kernel threads.
// The further devices of other types (f2fs on several devices, logs of jfs and reiserfs) are not
// told by the kernel. They are claimed all the same: a survey of such a device finds a holder.
[[nodiscard]] std::vector<Super> list_supers(const std::vector<MountView>& views);

// The devices of one mounted file system, as above. `unseen`: as in Super.
[[nodiscard]] std::vector<DeviceNumber> members_of(const Mount& mount, pid_t seen_by,
                                                   std::vector<std::string>& unseen);

// A folder or file of the super block, opened for reading at one of its places; invalid: another
// mount hides each of them, or it is not mounted there any more.
[[nodiscard]] UniqueFd open_at(DeviceNumber super, const Super::Place& place);

// Whether the open file is of the btrfs pool that has one of these members.
[[nodiscard]] bool is_of_pool(const UniqueFd& fd, const std::vector<DeviceNumber>& members);

}  // namespace blkrewind::host
