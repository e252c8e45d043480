#include "host/evidence.h"

#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>
#include <utility>

#include "base/fd.h"
#include "host/blkid_identity.h"
#include "host/file_evidence.h"
#include "host/loops.h"
#include "host/mounts.h"

namespace blkrewind::host {
namespace {

// `fd`: an open descriptor of the device or of its partition; -1: none.
DeviceIdentity block_layers(DeviceNumber device, int depth, int fd = -1);

// The kernel tells the backing of a loop device only to a process that can open its node.
bool is_told(const DeviceIdentity& identity) {
  if (identity.layer == Layer::kLoop) return identity.backing_id != FileId{};
  if (identity.layer != Layer::kPartition) return true;
  return !identity.below.empty() && is_told(identity.below.front());
}

// The device that holds a file. It is omitted if it cannot be examined (no sysfs, as in a
// container; no permission), because it would look like another device.
void add_host(DeviceNumber host, int depth, DeviceIdentity& identity) {
  if (depth <= 0 || ::access((sysfs_directory(host) + "/dev").c_str(), R_OK) != 0) return;
  DeviceIdentity layers = block_layers(host, depth);
  if (is_told(layers)) identity.below.push_back(std::move(layers));
}

std::string first_of(std::initializer_list<std::string> paths) {
  for (const std::string& path : paths) {
    if (std::string text = read_attribute(path); !text.empty()) {
      return text;
    }
  }
  return {};
}

// The unit serial number page of SCSI: four bytes of header, then text (SPC-4, 7.8.15).
std::string scsi_serial(const std::string& disk) {
  const std::string page = read_attribute(disk + "/device/vpd_pg80");
  constexpr std::size_t kHeadingBytes = 4;
  // read_attribute() strips the zero byte at the start of a page, so look for the page number.
  const std::size_t number = page.find('\x80');
  if (number == std::string::npos || page.size() < number + kHeadingBytes - 1) {
    return {};
  }
  const std::string text = page.substr(number + kHeadingBytes - 1);
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? std::string() : text.substr(first);
}

std::string kernel_name(DeviceNumber device) {
  const std::string node = node_path(device);
  return node.substr(node.rfind('/') + 1);
}

// An eMMC has one CID for several areas, each of which is a block device: "mmcblk0boot0" is
// "boot0".
std::string emmc_area(const std::string& name) {
  if (!name.starts_with("mmcblk")) {
    return {};
  }
  const std::size_t area = name.find_first_not_of("0123456789", 6);
  return area == std::string::npos ? std::string() : name.substr(area);
}

void read_hardware(DeviceNumber device, const std::string& directory, DeviceIdentity& identity) {
  const std::string name = kernel_name(device);
  identity.unit = emmc_area(name);
  // The boot areas of an eMMC are below its main area in sysfs; only that has the card's
  // attributes.
  const std::string card = identity.unit.empty() ? directory : directory + "/..";
  identity.serial = first_of({directory + "/serial", directory + "/device/serial"});
  if (identity.serial.empty()) {
    identity.serial = scsi_serial(directory);
  }
  if (identity.serial.empty() && !identity.unit.empty()) {
    identity.serial = read_attribute(card + "/device/serial");
  }
  identity.wwn = first_of({directory + "/wwid", directory + "/device/wwid"});
  if (identity.wwn.empty() && name.starts_with("mmcblk")) {
    identity.wwn = first_of({directory + "/device/cid", card + "/device/cid"});
  }
  identity.model = first_of({directory + "/device/model", directory + "/device/name"});
  if (const auto nsid = read_number(directory + "/nsid"); nsid && identity.unit.empty()) {
    identity.unit = "namespace " + std::to_string(*nsid);
  }
  if (name.starts_with("nbd")) {
    // diskseq does not count reconnections made through netlink.
    identity.attachment = first_of({directory + "/pid"});
  }
}

// sysfs has the UUID of an array only on newer kernels; the superblocks of its members contain it.
std::string md_uuid(const std::string& directory, DeviceNumber device) {
  if (std::string uuid = read_attribute(directory + "/md/uuid"); !uuid.empty()) {
    return uuid;
  }
  for (const DeviceNumber member : slaves_of(device)) {
    DeviceIdentity content;
    if (read_block_content(member, content) && content.filesystem_type == "linux_raid_member" &&
        !content.filesystem_uuid.empty()) {
      return content.filesystem_uuid;
    }
  }
  return {};
}

void read_loop(const LoopDevice& loop, int depth, DeviceIdentity& identity) {
  identity.layer = Layer::kLoop;
  identity.backing_file = loop.backing_file;
  identity.backing_offset = loop.range.offset;
  identity.backing_limit = loop.size_limit;
  if (loop.backing_device != 0) {
    identity.backing_id = {.device = loop.backing_device, .inode = 0};
    if (depth > 1) {
      identity.below.push_back(block_layers(loop.backing_device, depth - 1));
    }
    return;
  }
  identity.backing_id = loop.backing;
  const UniqueFd file(::open(loop.backing_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.valid() && ::fstat(file.get(), &status) == 0 &&
      FileId{.device = status.st_dev, .inode = status.st_ino} == loop.backing) {
    read_inode_evidence(file.get(), status, identity);
    if (const auto host = only_device_under(file.get(), status)) {
      add_host(*host, depth - 1, identity);
    }
  }
}

void read_partition(DeviceNumber device, const std::string& directory, int depth, int fd,
                    DeviceIdentity& identity) {
  identity.layer = Layer::kPartition;
  identity.partition_number =
      static_cast<std::uint32_t>(read_number(directory + "/partition").value_or(0));
  identity.partition_start_bytes = partition_start_bytes(device);
  const DeviceNumber whole = whole_disk(device);
  if (depth > 1 && whole != device) {
    DeviceIdentity disk = block_layers(whole, depth - 1, fd);
    if (is_nameless(disk)) {
      (void)read_block_content(whole, disk);
    }
    identity.diskseq = disk.diskseq;
    identity.backing_file = disk.backing_file;
    identity.backing_id = disk.backing_id;
    identity.backing_offset =
        disk.backing_id == FileId{} ? 0 : disk.backing_offset + identity.partition_start_bytes;
    identity.below.push_back(std::move(disk));
  }
}

DeviceIdentity block_layers(DeviceNumber device, int depth, int fd) {
  DeviceIdentity identity;
  const std::string directory = sysfs_directory(device);
  identity.place = node_path(device);
  identity.size_bytes = device_size_bytes(device);
  identity.boot_id = read_attribute("/proc/sys/kernel/random/boot_id");
  if (is_partition(device)) {
    read_partition(device, directory, depth, fd, identity);
    return identity;
  }
  identity.diskseq = read_number(directory + "/diskseq").value_or(0);
  if (const auto loop = ask_loop_device(device, fd).value_or(std::nullopt)) {
    read_loop(*loop, depth, identity);
  } else if (::access((directory + "/dm").c_str(), F_OK) == 0) {
    identity.layer = Layer::kDm;
    identity.dm_uuid = read_attribute(directory + "/dm/uuid");
    if (const std::string name = read_attribute(directory + "/dm/name"); !name.empty()) {
      identity.place = name;
    }
    const auto slaves = slaves_of(device);
    if (slaves.size() == 1 && depth > 1) {
      identity.below.push_back(block_layers(slaves.front(), depth - 1));
    }
  } else if (::access((directory + "/md").c_str(), F_OK) == 0) {
    identity.layer = Layer::kMd;
    identity.md_uuid = md_uuid(directory, device);
  } else {
    identity.layer = Layer::kDisk;
    read_hardware(device, directory, identity);
  }
  return identity;
}

}  // namespace

bool read_block_content(DeviceNumber device, DeviceIdentity& identity) {
  const UniqueFd fd(::open(node_path(device).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISBLK(status.st_mode) ||
      status.st_rdev != device) {
    return false;
  }
  read_content_identity(fd.get(), identity);
  return true;
}

DeviceIdentity block_evidence(DeviceNumber device, int fd) {
  return block_layers(device, kMaxLayers, fd);
}

DeviceIdentity file_evidence(int fd, const struct stat& status, const std::string& real_path) {
  DeviceIdentity identity;
  identity.layer = Layer::kFile;
  identity.place = real_path;
  identity.size_bytes = static_cast<std::uint64_t>(status.st_size);
  identity.backing_id = {.device = status.st_dev, .inode = status.st_ino};
  identity.boot_id = read_attribute("/proc/sys/kernel/random/boot_id");
  read_inode_evidence(fd, status, identity);
  if (const auto host = only_device_under(fd, status)) {
    add_host(*host, kMaxLayers - 1, identity);
  }
  return identity;
}

bool is_nameless(const DeviceIdentity& identity) {
  switch (identity.layer) {
    case Layer::kDisk:
      return (identity.serial.empty() && identity.wwn.empty()) || identity.shared_hardware;
    case Layer::kDm:
      return identity.dm_uuid.empty();
    case Layer::kMd:
      return identity.md_uuid.empty();
    case Layer::kPartition:
      return !identity.below.empty() && is_nameless(identity.below.front());
    case Layer::kUnknown:
    case Layer::kFile:
    case Layer::kLoop:
      break;
  }
  return false;
}

}  // namespace blkrewind::host
