#include "track/bitmap/bitmap_devices.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <sstream>
#include <vector>

#include "host/device_mapper_table.h"
#include "host/loops.h"
#include "host/sysfs.h"
#include "track/bitmap/kernel_program.h"

namespace blkrewind::track {
namespace {

// Per generation, so that both can be mapped and read with little memory. Beyond it (2 TiB in
// chunks of 64 KiB) one bit stands for several chunks.
constexpr std::uint64_t kBitsMax = std::uint64_t{4} * kMiB * 8;
constexpr std::uint64_t kSectorBytes = 512;

void copy_text(char* field, std::size_t size, const std::string& text) {
  std::memset(field, 0, size);
  text.copy(field, size - 1);
}

// What the epoch is bound to, as it is now.
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// zram and brd.
bool is_in_memory(host::DeviceNumber whole) {
  constexpr unsigned kRamMajor = 1;
  const std::string folder = host::sysfs_directory(whole);
  return exists(folder + "/disksize") || major(whole) == kRamMajor;
}

// Devices of the driver blk-mq have one.
bool has_request_queue(host::DeviceNumber whole) {
  return exists(host::sysfs_directory(whole) + "/mq");
}

// Drivers with their own way to take bios, whose ends go through bio_endio() on the same device.
bool ends_are_seen(host::DeviceNumber whole) {
  const std::string folder = host::sysfs_directory(whole);
  return exists(folder + "/dm") || exists(folder + "/md") || is_in_memory(whole);
}

// Why what is built on the device may write past its queue; empty: nothing does.
std::string way_past_queue(host::DeviceNumber device) {
  const std::string holders = host::sysfs_directory(device) + "/holders";
  for (const std::string& name : host::list_names(holders)) {
    const std::string folder = holders + "/" + name;
    const std::string level = host::read_attribute(folder + "/md/level");
    if (level == "raid0" || level == "linear" || exists(folder + "/bcache")) {
      return name + ", which is built on it, may write past its queue";
    }
    if (host::read_attribute(folder + "/dm/uuid").starts_with("mpath-")) {
      return name + ", a multipath device over it, also writes by other paths";
    }
  }
  return {};
}

}  // namespace

Result<blkrewind_control> epoch_of(const TrackedDisk& disk) {
  const auto device = host::block_device_at(disk.path);
  if (!device) {
    return fail(Errc::kUnsupported, disk.path + " is not a block device",
                Remedy(Verb::kTrackStart, "track an image file on XFS or btrfs by its extents",
                       {{Parameter::kTarget, disk.path}, {Parameter::kSource, "extents"}}));
  }
  const host::DeviceNumber whole = host::whole_disk(*device);
  blkrewind_control epoch{};
  epoch.version = BLKREWIND_CHANGES_VERSION;
  epoch.major = major(whole);
  epoch.minor = minor(whole);
  epoch.first_sector = host::partition_start_bytes(*device) / kSectorBytes;
  epoch.sectors = (host::device_size_bytes(*device) + kSectorBytes - 1) / kSectorBytes;
  epoch.granule_shift = static_cast<__u32>(std::countr_zero(disk.chunk_bytes));
  const std::uint64_t bytes = epoch.sectors * kSectorBytes;
  const auto bits = [&] { return (bytes >> epoch.granule_shift) + 1; };
  while (bits() > kBitsMax) ++epoch.granule_shift;
  epoch.words = bits() / 64 + 1;
  epoch.bios = has_request_queue(whole) ? 0 : 1;
  if (epoch.bios != 0) epoch.table = host::device_mapper_table(whole);
  epoch.diskseq = host::read_number(host::sysfs_directory(whole) + "/diskseq").value_or(0);
  if (const auto loop = host::loop_device(whole)) {
    epoch.loop_device = loop->backing.device;
    epoch.loop_inode = loop->backing.inode;
    epoch.loop_offset = loop->range.offset;
  }
  copy_text(epoch.boot_id, sizeof epoch.boot_id,
            host::read_attribute("/proc/sys/kernel/random/boot_id"));
  copy_text(epoch.store_uuid, sizeof epoch.store_uuid, disk.store_uuid);
  copy_text(epoch.disk_id, sizeof epoch.disk_id, disk.disk_id);
  return epoch;
}

Status check_trackable(const TrackedDisk& disk) {
  const auto device = host::block_device_at(disk.path);
  if (!device) return {};  // epoch_of() says so
  const host::DeviceNumber whole = host::whole_disk(*device);
  const std::string folder = host::sysfs_directory(whole);
  const auto refuse = [&](const std::string& why) {
    return fail(Errc::kUnsupported, disk.path + " cannot be tracked in the kernel: " + why,
                "operations on it scan");
  };
  if (!has_request_queue(whole)) {
    if (!ends_are_seen(whole)) {
      return refuse("its driver has no request queue, so completions cannot be observed");
    }
    if (is_in_memory(whole) && kernel_writes_pages_past_queue()) {
      return refuse("this kernel writes to it past its queue; Linux 6.3 and later do not");
    }
  }
  std::vector<host::DeviceNumber> parts = host::partitions_of(whole);
  parts.push_back(whole);
  for (const host::DeviceNumber part : parts) {
    if (const std::string way = way_past_queue(part); !way.empty()) return refuse(way);
  }
  if (host::read_number(folder + "/queue/dax").value_or(0) != 0) {
    return refuse("it can be written to as memory (DAX)");
  }
  if (const std::string zoned = host::read_attribute(folder + "/queue/zoned");
      !zoned.empty() && zoned != "none") {
    return refuse("it is a zoned device");
  }
  return {};
}

std::uint64_t writes_in_flight(const TrackedDisk& disk) {
  const auto device = host::block_device_at(disk.path);
  if (!device) return 1;
  std::istringstream text(
      host::read_attribute(host::sysfs_directory(host::whole_disk(*device)) + "/inflight"));
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  return text >> reads >> writes ? writes : 1;
}

}  // namespace blkrewind::track
