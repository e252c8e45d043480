// What a path is and who uses it, as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::io {

// st_dev and st_ino: the same file under any name.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

enum class DeviceKind : std::uint8_t { kBlock, kFile };

// Who the device is, apart from its path and its content. Empty strings and zeroes: not known.
// The content's own identifiers (file system UUID, partition table UUID) are what libblkid reads;
// they change with mkfs and so are told to the user, but the hardware's decide (see identity.h).
struct DeviceIdentity {
  std::string serial;        // sysfs serial, device/serial or SCSI page 0x80; of the whole disk
  std::string wwn;           // sysfs wwid, device/wwid; "md:UUID" for a RAID array
  std::string dm_uuid;       // sysfs dm/uuid
  std::string backing_file;  // sysfs loop/backing_file (absolute path)
  // Of the loop's backing file, or of the image file itself. A loop over a block device:
  // {its device number, 0}, since the inode of a node in /dev says nothing.
  FileId backing_id;
  std::uint64_t backing_offset = 0;  // where the device begins in the loop's backing file, in bytes
  std::uint64_t diskseq = 0;         // sysfs diskseq of the whole disk: this attachment, this boot
  std::string boot_id;               // diskseq is meaningless in another boot
  std::string partition_uuid;        // PARTUUID from the parent's table, for a partition
  std::string table_uuid;            // PTUUID of a partition table on the device itself
  std::string filesystem_uuid;       // UUID of the file system on the device itself
  std::string filesystem_type;
  friend bool operator==(const DeviceIdentity&, const DeviceIdentity&) = default;
};

// One reason why the device is in use, ready to be shown: what = "mounted on /mnt",
// "used as swap", "held by dm-0", "partition /dev/loop0p1 is mounted on /mnt",
// "backs /dev/loop3", "opened exclusively by another program", "a member of md0",
// "open for writing in bash (process 4711)".
struct UsedBy {
  std::string what;
  std::string hint;  // "unmount it: umount /mnt"
};

// One thing that could not be looked at, so that the device cannot be called free: what = "sysfs is
// not mounted on /sys". "Cannot tell" is refused just as "in use" is.
struct Unknown {
  std::string what;
  std::string hint;  // what makes it known: "mount -t sysfs sysfs /sys"
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
  std::string read_only_hint;
  DeviceIdentity identity;
  std::int64_t modified_at = 0;  // seconds since the epoch, of the file or the node
  // Free to be opened exclusively: both are empty.
  std::vector<UsedBy> used_by;
  std::vector<Unknown> unknown;
};

}  // namespace blkrewind::io
