// Which super blocks stand on given bytes, and in which order they are frozen: a search over a
// description of the machine, without a look at the machine.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "blkrewind/units.h"
#include "host/loops.h"
#include "host/stack.h"

namespace blkrewind::host {

// One block device, as sysfs describes it.
struct BlockNode {
  DeviceNumber whole = 0;         // the disk of a partition; else the device itself
  std::uint64_t start_bytes = 0;  // on that disk
  std::uint64_t size_bytes = 0;
  std::vector<DeviceNumber> partitions;  // of a disk
  std::vector<DeviceNumber> holders;     // dm and md devices on it
  std::vector<DeviceNumber> slaves;      // of a dm or md device
};

struct StackMap {
  std::function<BlockNode(DeviceNumber)> node;  // asked once per device
  std::vector<LoopDevice> loops;
  // The super block with a loop device's file, where it is known. One that is mounted nowhere any
  // more is not among `supers`; its number is then its device's.
  std::map<DeviceNumber, DeviceNumber> host_of_loop;
  std::vector<MountedSuper> supers;  // all of the machine
};

struct StackTarget {
  std::vector<DeviceNumber> devices;
  std::vector<FileId> files;  // image files
};

struct StackPlan {
  // Indexes of StackMap::supers. `mounted`: in freeze order, each before those that hold a file
  // that is below it.
  std::vector<std::size_t> mounted;
  std::vector<std::size_t> partial;
  // The nodes whose bytes are the target's, directly: what writes to them is not held by a freeze
  // of any of `mounted`. Not those over a file of one of these.
  std::vector<DeviceNumber> nodes;
  // The target's files, and those below its loop devices.
  std::vector<FileId> files;
};

// Ranges are followed: a partition's siblings, and loop devices over other bytes of a disk or a
// file, do not count. What dm and md map is not known: all of a holder counts as the target's, and
// a file system on it is partial unless all of the slaves were given.
[[nodiscard]] StackPlan plan_stack(const StackMap& map, const StackTarget& target);

}  // namespace blkrewind::host
