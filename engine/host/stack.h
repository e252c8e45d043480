// What stands on a device: the file systems that its bytes belong to, and users that no freeze
// reaches.
//
// A device is used upwards: by its partitions, by dm and md devices and loop devices over it, and
// by the file systems that are mounted from any of these. This is the map that a snapshot of a
// device in use needs; usage.h answers the other question, why a device is not free.
//
// File systems are told apart by super block, not by path: one may be mounted at many places, in
// mount namespaces that this process does not see, or at a place that something else hides.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "host/device_info.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// One super block, and where a process sees it.
struct MountedSuper {
  DeviceNumber id = 0;  // of the super block, as in mountinfo; anonymous (major 0) for btrfs
  std::string type;     // "ext4"
  std::string mount_point;
  pid_t seen_by = 0;  // the process or thread in whose mount namespace that is; 0: this one
  std::vector<DeviceNumber> devices;  // all that hold it, its log and its realtime device included
};

struct Stack {
  // In the order in which they are frozen: each before those that hold a file or device below it.
  // Thawed in the reverse.
  std::vector<MountedSuper> mounted;
  // Users that cannot be frozen: swap, a device over it without a file system, a process that has
  // it open for writing, a super block that is mounted nowhere any more.
  std::vector<UsedBy> raw;
  // Of `mounted`: those that have a device outside of the one that was asked for. A snapshot of one
  // part of them is no snapshot of the file system.
  std::vector<MountedSuper> partial;
  // What could not be found out.
  std::vector<Unknown> unknown;

  [[nodiscard]] bool unused() const { return mounted.empty() && raw.empty() && unknown.empty(); }
};

// Of several devices that are taken together; only their numbers are read, not their users. This
// process does not count as a user that writes, but must not hold them exclusively. A node that
// nothing visible explains is opened exclusively for a moment; a holder or writer that stays is
// waited for, for half a second. Any thread; reads /proc and sysfs. Errors: kIo - /proc is not
// available.
[[nodiscard]] Result<Stack> stack_on(const std::vector<DeviceInfo>& devices);

// The root of the file system, or any folder of it, opened for reading in the namespace where it
// was seen; checked to be of that super block. kNotFound: it is not mounted there any more.
[[nodiscard]] Result<UniqueFd> open_super(const MountedSuper& super);

// The super blocks that a write to a file in this folder passes through: its own, and those below
// it, as far as they are on block devices: the host of a loop device's file, the upper layer of an
// overlay. kPrecondition, with a remedy: a part of the way cannot be examined.
[[nodiscard]] Result<std::vector<DeviceNumber>> supers_below(const std::string& directory);

}  // namespace blkrewind::host
