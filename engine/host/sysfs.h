// The block devices in sysfs: attributes, names and dependencies.
//
// A device is a device number, as st_rdev and makedev() give it. All functions only read files; any
// thread may call. Layout: kernel's Documentation/ABI/stable/sysfs-block and testing/sysfs-block.
//
// Most attributes exist for some drivers only, so an empty answer is common. It has two meanings:
// the driver has no such attribute, or sysfs cannot be read. Use an ask_ function, which fails in
// the second case, to decide whether a device is free; the others are for optional facts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"
#include "host/device_info.h"

namespace blkrewind::host {

using DeviceNumber = std::uint64_t;

// "/sys/dev/block/7:0"; if that is hidden and the device has an entry under its name, that one:
// "/sys/class/block/loop0".
[[nodiscard]] std::string sysfs_directory(DeviceNumber device);

[[nodiscard]] std::string join_path(const std::string& directory, std::string_view name);

// The text of the file without surrounding blanks, line ends and zero bytes; empty if it cannot be
// read. At most 4096 bytes, the maximum length of a sysfs attribute.
[[nodiscard]] std::string read_attribute(const std::string& path);
[[nodiscard]] std::optional<std::uint64_t> read_number(const std::string& path);

// The names in a directory, without "." and "..", sorted; empty if it cannot be read.
[[nodiscard]] std::vector<std::string> list_names(const std::string& directory);

// The same, for paths in sysfs. Empty: sysfs is available and has no such file. kUnsupported, with
// a remedy: sysfs is not mounted, is mounted over by another file system, or cannot be read; the
// message is a clause that says which.
[[nodiscard]] Result<std::optional<std::string>> ask_attribute(const std::string& path);
[[nodiscard]] Result<std::vector<std::string>> ask_names(const std::string& directory);

// "/dev/loop0p1", from the device's uevent; "block device 7:0" if sysfs does not know it.
[[nodiscard]] std::string node_path(DeviceNumber device);

// "8:16", as in sysfs and the kernel's lists; empty: it is not one.
[[nodiscard]] std::optional<DeviceNumber> parse_device_number(std::string_view text);

// From the "dev" file in a device's sysfs directory.
[[nodiscard]] std::optional<DeviceNumber> device_number_of(const std::string& sysfs_path);

// The block device that the node at `path` names, if it is one.
[[nodiscard]] std::optional<DeviceNumber> block_device_at(const std::string& path);

[[nodiscard]] bool is_partition(DeviceNumber device);
// The disk of a partition; for a whole disk the device itself.
[[nodiscard]] DeviceNumber whole_disk(DeviceNumber device);
[[nodiscard]] std::vector<DeviceNumber> partitions_of(DeviceNumber whole);
// Devices that this one is built on (dm, md, bcache).
[[nodiscard]] std::vector<DeviceNumber> slaves_of(DeviceNumber device);

[[nodiscard]] Result<DeviceNumber> ask_whole_disk(DeviceNumber device);
[[nodiscard]] Result<std::vector<DeviceNumber>> ask_partitions(DeviceNumber whole);
[[nodiscard]] Result<std::vector<DeviceNumber>> ask_holders(DeviceNumber device);
[[nodiscard]] Result<std::vector<DeviceNumber>> ask_slaves(DeviceNumber device);

// Where a partition starts on its disk, in bytes (the kernel counts 512-byte units whatever the
// sector); 0 for a whole disk.
[[nodiscard]] std::uint64_t partition_start_bytes(DeviceNumber device);
[[nodiscard]] std::uint64_t device_size_bytes(DeviceNumber device);

}  // namespace blkrewind::host
