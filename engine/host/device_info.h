// What a path is and who uses it, as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/remedy.h"
#include "blkrewind/units.h"

namespace blkrewind::host {

// st_dev and st_ino: the same file under any name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

enum class DeviceKind : std::uint8_t { kBlock, kFile };

// What a device is made of. kUnknown: the record of an older program, which did not say.
enum class Layer : std::uint8_t { kUnknown, kFile, kDisk, kPartition, kLoop, kDm, kMd };

// Who the device is: evidence, each piece as it was read. Empty strings and zeroes: not known.
// A device is cut from another one, or stands on it: a partition on its disk, a loop device or an
// image file on what holds it. Each of these is a layer with evidence of its own, in `below`.
// What proves and what disproves that two are one is in identity.h.
struct DeviceIdentity {
  // Of this layer, except that a partition of an older program's record has its disk's.
  std::string serial;        // sysfs serial, device/serial or SCSI page 0x80
  std::string wwn;           // sysfs wwid, device/wwid; older programs: "md:UUID" for a RAID array
  std::string dm_uuid;       // sysfs dm/uuid
  std::string backing_file;  // sysfs loop/backing_file (absolute path)
  // Of the loop's backing file, or of the image file itself. A loop over a block device:
  // {its device number, 0}, since the inode of a node in /dev says nothing. Also of a partition of
  // a loop device.
  FileId backing_id;
  std::uint64_t backing_offset = 0;  // where the device begins in the loop's backing file, in bytes
  std::uint64_t diskseq = 0;         // sysfs diskseq of the whole disk: this attachment, this boot
  std::string boot_id;               // diskseq is meaningless in another boot
  std::string partition_uuid;        // PARTUUID from the parent's table, for a partition
  std::string table_uuid;            // PTUUID of a partition table on the device itself
  std::string filesystem_uuid;       // UUID of the file system on the device itself
  std::string filesystem_type;

  Layer layer = Layer::kUnknown;
  std::string place;             // where it was seen: its node or path; a dm device's name
  std::uint64_t size_bytes = 0;  // of this layer
  std::string model;             // sysfs device/model; part of what a serial number belongs to
  std::string unit;              // what of the hardware: "namespace 2", "boot0" of an eMMC
  std::string md_uuid;           // sysfs md/uuid, or of a member's superblock
  std::string attachment;        // beside diskseq: who serves a network block device
  std::uint32_t partition_number = 0;
  std::uint64_t partition_start_bytes = 0;
  // The rest is about a loop's backing file, or the image file itself.
  std::uint64_t backing_limit = 0;  // of the loop: at most so many bytes of the file; 0: all
  std::string host_filesystem;      // UUID (of btrfs also the subvolume's) of what holds the file
  std::uint64_t generation = 0;  // of the inode, plus 1: a number that is used again gets another
  std::int64_t birth_ns = 0;     // statx, nanoseconds since the epoch

  // Another device reported the same hardware id when the caller said which of them this is: the
  // id is no proof any more.
  bool shared_hardware = false;
  // The caller said that it is this one (disk adopt) though nothing here could prove it.
  bool vouched = false;

  std::vector<DeviceIdentity> below;  // none or one
  friend bool operator==(const DeviceIdentity&, const DeviceIdentity&) = default;
};
inline constexpr int kMaxLayers = 8;

// One reason why the device is in use, ready to be shown: what = "mounted on /mnt",
// "used as swap", "held by dm-0", "partition /dev/loop0p1 is mounted on /mnt",
// "backs /dev/loop3", "opened exclusively by another program", "a member of md0",
// "open for writing in bash (process 4711)".
struct UsedBy {
  std::string what;
  Remedy remedy;  // "unmount it", umount /mnt
};

// One thing that could not be looked at, so that the device cannot be called free: what = "sysfs is
// not mounted on /sys". "Cannot tell" is refused just as "in use" is.
struct Unknown {
  std::string what;
  Remedy remedy;  // what makes it known: mount -t sysfs sysfs /sys
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
  std::string read_only_reason;  // "is append-only", with what to do; where more is known than that
  Remedy read_only_remedy;
  DeviceIdentity identity;
  std::int64_t modified_at = 0;  // seconds since the epoch, of the file or the node
  // Free to be opened exclusively: both are empty.
  std::vector<UsedBy> used_by;
  std::vector<Unknown> unknown;
};

}  // namespace blkrewind::host
