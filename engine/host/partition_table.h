// The kernel's partitions of a disk, and those of the partition table on the disk.
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
  bool is_extended = false;  // of MBR: the kernel maps only its first sectors
  friend bool operator==(const Partition&, const Partition&) = default;
};

// The partitions that libblkid finds; empty if there is no table that it knows. `fd`: buffered.
[[nodiscard]] std::optional<std::vector<Partition>> partitions_in_table(int fd);
[[nodiscard]] std::vector<Partition> partitions_in_kernel(DeviceNumber whole);

// The state of the kernel's partitions of a whole disk whose table may have changed.
struct PartitionUpdate {
  enum class State : std::uint8_t {
    kNone,       // not a disk with partitions
    kUnchanged,  // the kernel has those of the table
    kReread,     // the kernel has been updated
    kStale,      // the kernel has different ones
  };
  State state = State::kNone;
  std::string reason;  // if kStale
  Remedy remedy;       // if kStale: programs to run, each after the one before it
};

struct PartitionStep {
  enum class Kind : std::uint8_t { kRemove, kResize, kAdd };
  Kind kind = Kind::kAdd;
  Partition partition;  // for kRemove: as the kernel has it; otherwise as it should be
  friend bool operator==(const PartitionStep&, const PartitionStep&) = default;
};

// The steps from the one to the other, in an order in which partitions never overlap. Equal
// partitions are not touched. Pure.
[[nodiscard]] std::vector<PartitionStep> partition_steps(const std::vector<Partition>& kernel,
                                                         const std::vector<Partition>& table);

// File::update_partitions() of a block device. `fd`: for the ioctls; `buffered_fd`: for reading.
[[nodiscard]] PartitionUpdate update_partitions_of(DeviceNumber device, int fd, int buffered_fd);

}  // namespace blkrewind::host
