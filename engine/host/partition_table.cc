#include "host/partition_table.h"

#include <blkid/blkid.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "host/blkid_probe.h"

namespace blkrewind::host {
namespace {

// libblkid and sysfs count in these units, whatever the sector size of the disk is.
constexpr std::uint64_t kUnitBytes = 512;

bool same_place(const Partition& a, const Partition& b) {
  if (a.extent.offset != b.extent.offset) return false;
  return a.extent.length == b.extent.length || a.is_extended || b.is_extended;
}

std::map<int, Partition> by_number(const std::vector<Partition>& partitions) {
  std::map<int, Partition> map;
  for (const Partition& partition : partitions) map.emplace(partition.number, partition);
  return map;
}

// 0, or an errno.
int tell_kernel(int fd, const PartitionStep& step) {
  constexpr std::uint64_t kExtendedBytes = 2 * kUnitBytes;  // as the kernel's own parser does
  blkpg_partition partition{};
  partition.pno = step.partition.number;
  partition.start = static_cast<long long>(step.partition.extent.offset);
  partition.length = static_cast<long long>(
      step.partition.is_extended ? std::min(step.partition.extent.length, kExtendedBytes)
                                 : step.partition.extent.length);
  blkpg_ioctl_arg argument{};
  switch (step.kind) {
    case PartitionStep::Kind::kRemove:
      argument.op = BLKPG_DEL_PARTITION;
      break;
    case PartitionStep::Kind::kResize:
      argument.op = BLKPG_RESIZE_PARTITION;
      break;
    case PartitionStep::Kind::kAdd:
      argument.op = BLKPG_ADD_PARTITION;
      break;
  }
  argument.datalen = sizeof partition;
  argument.data = &partition;
  return ::ioctl(fd, BLKPG, &argument) == 0 ? 0 : errno;
}

// A loop device without partscan has the partitions that were added by hand, or none.
bool expects_partitions(DeviceNumber device) {
  const std::string scans = read_attribute(sysfs_directory(device) + "/loop/partscan");
  return scans.empty() || scans == "1";
}

// Not partx -u: it goes by number, and loses a partition whose place is still occupied by another
// one.
Remedy take_off(const std::string& node) {
  return run_program("remove the kernel's partitions", "partx -d", {node});
}

Remedy take_over(const std::string& node) {
  return take_off(node).and_then(
      run_program("let the kernel add those of the table", "partx -a", {node}));
}

}  // namespace

std::optional<std::vector<Partition>> partitions_in_table(int fd) {
  const BlkidProbe probe(blkid_new_probe());
  if (probe == nullptr || blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) return {};
  blkid_probe_enable_superblocks(probe.get(), 0);
  blkid_probe_enable_partitions(probe.get(), 1);
  blkid_partlist list = blkid_probe_get_partitions(probe.get());
  if (list == nullptr || blkid_partlist_get_table(list) == nullptr) return {};
  std::vector<Partition> partitions;
  for (int i = 0; i < blkid_partlist_numof_partitions(list); ++i) {
    blkid_partition entry = blkid_partlist_get_partition(list, i);
    if (blkid_partition_get_size(entry) <= 0) continue;
    partitions.push_back(
        {blkid_partition_get_partno(entry),
         {static_cast<std::uint64_t>(blkid_partition_get_start(entry)) * kUnitBytes,
          static_cast<std::uint64_t>(blkid_partition_get_size(entry)) * kUnitBytes},
         blkid_partition_is_extended(entry) != 0});
  }
  return partitions;
}

std::vector<Partition> partitions_in_kernel(DeviceNumber whole) {
  std::vector<Partition> partitions;
  for (const DeviceNumber device : partitions_of(whole)) {
    const auto number = read_number(sysfs_directory(device) + "/partition").value_or(0);
    partitions.push_back({static_cast<int>(number),
                          {partition_start_bytes(device), device_size_bytes(device)},
                          false});
  }
  return partitions;
}

std::vector<PartitionStep> partition_steps(const std::vector<Partition>& kernel,
                                           const std::vector<Partition>& table) {
  using Kind = PartitionStep::Kind;
  const auto has = by_number(kernel);
  const auto wanted = by_number(table);
  std::vector<PartitionStep> removed;
  std::vector<PartitionStep> shrunk;
  std::vector<PartitionStep> grown;
  std::vector<PartitionStep> added;
  for (const auto& [number, partition] : has) {
    const auto to = wanted.find(number);
    if (to == wanted.end() || to->second.extent.offset != partition.extent.offset) {
      removed.push_back({Kind::kRemove, partition});
    } else if (!same_place(partition, to->second)) {
      auto& steps = to->second.extent.length < partition.extent.length ? shrunk : grown;
      steps.push_back({Kind::kResize, to->second});
    }
  }
  for (const auto& [number, partition] : wanted) {
    const auto from = has.find(number);
    if (from == has.end() || from->second.extent.offset != partition.extent.offset) {
      added.push_back({Kind::kAdd, partition});
    }
  }
  std::vector<PartitionStep> steps = std::move(removed);
  for (const auto* more : {&shrunk, &grown, &added}) {
    steps.insert(steps.end(), more->begin(), more->end());
  }
  return steps;
}

PartitionUpdate update_partitions_of(DeviceNumber device, int fd, int buffered_fd) {
  if (is_partition(device)) return {};
  const std::string node = node_path(device);
  const std::vector<Partition> before = partitions_in_kernel(device);
  const auto table = partitions_in_table(buffered_fd);
  if (!table) {
    // Partitions may have been added by hand, without a table.
    if (before.empty()) return {};
    return {PartitionUpdate::State::kStale,
            "the kernel has partitions of " + node + ", but no partition table is found on it",
            take_off(node)};
  }
  if (before.empty() && !expects_partitions(device)) {
    return {PartitionUpdate::State::kUnchanged, {}, {}};
  }
  const auto steps = partition_steps(before, *table);
  if (steps.empty()) return {PartitionUpdate::State::kUnchanged, {}, {}};
  std::string refused;
  for (const PartitionStep& step : steps) {
    const int error = tell_kernel(fd, step);
    if (error == 0 || (error == ENXIO && step.kind == PartitionStep::Kind::kRemove)) continue;
    // A device of a kind that has no partitions.
    if (error == EINVAL && before.empty()) return {};
    if (!refused.empty()) continue;
    refused = "partition " + std::to_string(step.partition.number) + " of " + node + ": " +
              std::generic_category().message(error) +
              (error == EBUSY ? ", because a process has a partition open" : "");
  }
  if (partition_steps(partitions_in_kernel(device), *table).empty()) {
    return {PartitionUpdate::State::kReread, {}, {}};
  }
  return {PartitionUpdate::State::kStale,
          "the kernel has not updated its partitions (" +
              (refused.empty() ? "its partitions still differ" : refused) + ")",
          take_over(node)};
}

}  // namespace blkrewind::host
