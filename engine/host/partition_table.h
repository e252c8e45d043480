// The partitions that the kernel has of a disk, and those that the table on the disk says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "host/sysfs.h"

namespace blkrewind::host {

struct Partition {
  int number = 0;
  Extent extent;             // of the disk, in bytes
  bool is_extended = false;  // of MBR: the kernel shows its first sectors only
  friend bool operator==(const Partition&, const Partition&) = default;
};

// What libblkid finds; nothing when there is no table that it knows. `fd`: buffered.
[[nodiscard]] std::optional<std::vector<Partition>> partitions_in_table(int fd);
[[nodiscard]] std::vector<Partition> partitions_in_kernel(DeviceNumber whole);

// What became of the kernel's partitions of a whole disk whose table may have changed.
struct PartitionUpdate {
  enum class State : std::uint8_t {
    kNone,       // not a disk with partitions
    kUnchanged,  // the kernel has those of the table
    kReread,     // it has them now
    kStale,      // it has others
  };
  State state = State::kNone;
  std::string reason;   // of kStale
  std::string command;  // of kStale: what to run
};

struct PartitionStep {
  enum class Kind : std::uint8_t { kRemove, kResize, kAdd };
  Kind kind = Kind::kAdd;
  Partition partition;  // of kRemove: as the kernel has it; else as it has to be
  friend bool operator==(const PartitionStep&, const PartitionStep&) = default;
};

// How the kernel gets from one to the other, in an order in which partitions never overlap. Those
// that are the same are not touched. Pure.
[[nodiscard]] std::vector<PartitionStep> partition_steps(const std::vector<Partition>& kernel,
                                                         const std::vector<Partition>& table);

// File::update_partitions() of a block device. `fd`: what ioctls go to; `buffered_fd`: to be read.
[[nodiscard]] PartitionUpdate update_partitions_of(DeviceNumber device, int fd, int buffered_fd);

}  // namespace blkrewind::host
