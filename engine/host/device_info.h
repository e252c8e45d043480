// What a path refers to and how it is used, as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/remedy.h"
#include "blkrewind/units.h"

namespace blkrewind::host {

// st_dev and st_ino: identify a file under any name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

enum class DeviceKind : std::uint8_t { kBlock, kFile };

// The kind of a layer. kUnknown: a record of an older version, which did not store it.
enum class Layer : std::uint8_t { kUnknown, kFile, kDisk, kPartition, kLoop, kDm, kMd };

// The evidence of a device's identity, each field as it was read. Empty strings and zeroes:
// unknown. A device is part of another one, or is built on it: a partition on its disk, a loop
// device or an image file on the device that holds it. Each of these is a layer with evidence of
// its own, in `below`. identity.h says what proves and what disproves identity.
struct DeviceIdentity {
  // Of this layer; in a record of an older version, a partition has its disk's.
  std::string serial;        // sysfs serial, device/serial or SCSI page 0x80
  std::string wwn;           // sysfs wwid, device/wwid; older versions: "md:UUID" for a RAID array
  std::string dm_uuid;       // sysfs dm/uuid
  std::string backing_file;  // sysfs loop/backing_file (absolute path)
  // Of the loop's backing file, or of the image file itself. For a loop device over a block device:
  // {its device number, 0}, because the inode of a node in /dev is meaningless. Also for a
  // partition of a loop device.
  FileId backing_id;
  std::uint64_t backing_offset = 0;  // offset of the device in the loop's backing file, in bytes
  std::uint64_t diskseq = 0;         // sysfs diskseq of the whole disk: this attachment, this boot
  std::string boot_id;               // diskseq is meaningless in another boot
  std::string partition_uuid;        // PARTUUID from the parent's table, for a partition
  std::string table_uuid;            // PTUUID of a partition table on the device itself
  std::string filesystem_uuid;       // UUID of the file system on the device itself
  std::string filesystem_type;

  Layer layer = Layer::kUnknown;
  std::string place;             // where it was seen: its node or path; the name of a dm device
  std::uint64_t size_bytes = 0;  // of this layer
  std::string model;             // sysfs device/model; serial numbers are unique within a model
  std::string unit;              // the part of the hardware: "namespace 2", "boot0" of an eMMC
  std::string md_uuid;           // sysfs md/uuid, or from a member's superblock
  std::string attachment;        // in addition to diskseq: the server of a network block device
  std::uint32_t partition_number = 0;
  std::uint64_t partition_start_bytes = 0;
  // The following fields describe a loop's backing file, or the image file itself.
  std::uint64_t backing_limit = 0;  // of the loop: size limit in bytes of the file; 0: none
  std::string host_filesystem;      // UUID (for btrfs also the subvolume's) of its file system
  std::uint64_t generation = 0;     // of the inode, plus 1: differs when an inode number is reused
  std::int64_t birth_ns = 0;        // statx, nanoseconds since the epoch

  // Another device reported the same hardware id when the user declared which of them this is: the
  // id no longer proves anything.
  bool shared_hardware = false;
  // The user declared the identity (disk adopt) without proof.
  bool vouched = false;

  std::vector<DeviceIdentity> below;  // none or one
  friend bool operator==(const DeviceIdentity&, const DeviceIdentity&) = default;
};
inline constexpr int kMaxLayers = 8;

// One reason why the device is in use, as text: what = "mounted on /mnt", "used as swap", "held by
// dm-0", "partition /dev/loop0p1 is mounted on /mnt", "backs /dev/loop3", "opened exclusively by
// another program", "a member of md0", "open for writing in bash (process 4711)".
struct UsedBy {
  std::string what;
  Remedy remedy;  // "unmount it", umount /mnt
};

// One check that was not possible, so that the device cannot be considered free: what = "sysfs is
// not mounted on /sys". Unknown is refused just as "in use" is.
struct Unknown {
  std::string what;
  Remedy remedy;  // how to make the check possible: mount -t sysfs sysfs /sys
};

struct DeviceInfo {
  DeviceKind kind = DeviceKind::kFile;
  std::string path;       // as given
  std::string real_path;  // symbolic links resolved
  std::uint64_t size_bytes = 0;
  std::uint32_t logical_sector_bytes = 512;
  std::uint32_t major = 0;  // block devices
  std::uint32_t minor = 0;
  bool read_only = false;
  std::string read_only_reason;  // "is append-only"; if more is known than the error
  Remedy read_only_remedy;
  DeviceIdentity identity;
  std::int64_t modified_at = 0;  // of the file or the node, seconds since the epoch
  // Free to be opened exclusively if both are empty.
  std::vector<UsedBy> used_by;
  std::vector<Unknown> unknown;
};

}  // namespace blkrewind::host
