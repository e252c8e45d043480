#include "host/file_evidence.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "host/blkid_identity.h"
#include "host/mounts.h"

namespace blkrewind::host {
namespace {

// FS_IOC_GETFSUUID (linux/fs.h since 6.9) and EXT4_IOC_GETFSUUID (fs/ext4/ext4.h since 5.20): older
// headers do not have them.
struct FilesystemUuid {
  std::uint8_t length;
  std::array<std::uint8_t, 16> bytes;
};
constexpr unsigned long kGetFilesystemUuid = _IOR(0x15, 0, FilesystemUuid);
struct Ext4Uuid {
  std::uint32_t length;
  std::uint32_t flags;
  std::array<std::uint8_t, 16> bytes;
};
struct Ext4UuidHead {
  std::uint32_t length;
  std::uint32_t flags;
};
constexpr unsigned long kGetExt4Uuid = _IOR('f', 44, Ext4UuidHead);

std::string hex(const std::uint8_t* bytes, std::size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

bool is_zero(const auto& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// Available on every kernel, without privileges.
std::string btrfs_uuid(int fd) {
  btrfs_ioctl_fs_info_args info{};
  if (::ioctl(fd, BTRFS_IOC_FS_INFO, &info) != 0) {
    return {};
  }
  return hex(info.fsid, sizeof info.fsid);
}

std::string filesystem_uuid(int fd) {
  FilesystemUuid uuid{};
  if (::ioctl(fd, kGetFilesystemUuid, &uuid) == 0 && uuid.length == uuid.bytes.size() &&
      !is_zero(uuid.bytes)) {
    return hex(uuid.bytes.data(), uuid.bytes.size());
  }
  Ext4Uuid ext4{};
  ext4.length = ext4.bytes.size();
  if (::ioctl(fd, kGetExt4Uuid, &ext4) == 0 && !is_zero(ext4.bytes)) {
    return hex(ext4.bytes.data(), ext4.bytes.size());
  }
  return {};
}

// Reads the UUID from the block device of the file system, for kernels that do not report it.
std::string filesystem_uuid_below(const struct stat& status) {
  if (major(status.st_dev) == 0) {
    return {};
  }
  const UniqueFd fd(::open(node_path(status.st_dev).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat node {};
  if (!fd.valid() || ::fstat(fd.get(), &node) != 0 || node.st_rdev != status.st_dev) {
    return {};
  }
  DeviceIdentity content;
  read_content_identity(fd.get(), content);
  std::string uuid = content.filesystem_uuid;
  // In the same form as the kernel's, so that the two can be compared.
  std::erase(uuid, '-');
  std::transform(uuid.begin(), uuid.end(), uuid.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  return uuid;
}

// A snapshot of a subvolume has files with equal inode number, generation and birth time.
std::string subvolume(int fd) {
  const auto info = std::make_unique<btrfs_ioctl_get_subvol_info_args>();
  if (::ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, info.get()) == 0) {
    std::array<std::uint8_t, 16> uuid{};
    std::memcpy(uuid.data(), info->uuid, uuid.size());
    return is_zero(uuid) ? "id-" + std::to_string(info->treeid) : hex(uuid.data(), uuid.size());
  }
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) {
    return {};
  }
  std::array<std::uint8_t, sizeof status.f_fsid> id{};
  std::memcpy(id.data(), &status.f_fsid, id.size());
  return "fsid-" + hex(id.data(), id.size());
}

bool is_btrfs(int fd) {
  constexpr auto kBtrfsMagic = 0x9123683E;
  struct statfs status {};
  return ::fstatfs(fd, &status) == 0 && static_cast<std::uint32_t>(status.f_type) == kBtrfsMagic;
}

}  // namespace

void read_inode_evidence(int fd, const struct stat& status, DeviceIdentity& identity) {
  if (is_btrfs(fd)) {
    // With the file system's UUID alone, files of a subvolume's snapshot would be taken for the
    // originals.
    const std::string uuid = btrfs_uuid(fd);
    const std::string volume = subvolume(fd);
    if (!uuid.empty() && !volume.empty()) {
      identity.host_filesystem = uuid + "/" + volume;
    }
  } else {
    identity.host_filesystem = filesystem_uuid(fd);
    if (identity.host_filesystem.empty()) {
      identity.host_filesystem = filesystem_uuid_below(status);
    }
  }
  // Declared as long; file systems write 32 bits of it.
  long generation = 0;
  if (::ioctl(fd, FS_IOC_GETVERSION, &generation) == 0) {
    identity.generation = std::uint64_t{static_cast<std::uint32_t>(generation)} + 1;
  }
  struct statx times {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &times) == 0 &&
      (times.stx_mask & STATX_BTIME) != 0) {
    identity.birth_ns =
        times.stx_btime.tv_sec * kNanosecondsInSecond + std::int64_t{times.stx_btime.tv_nsec};
  }
}

std::optional<DeviceNumber> only_device_under(int fd, const struct stat& status) {
  if (major(status.st_dev) != 0) {
    return status.st_dev;
  }
  struct statx mount_of {};
  const auto mounts = read_mounts();
  if (!mounts || ::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &mount_of) != 0 ||
      (mount_of.stx_mask & STATX_MNT_ID) == 0) {
    return std::nullopt;
  }
  for (const Mount& mount : *mounts) {
    if (static_cast<std::uint64_t>(mount.id) != mount_of.stx_mnt_id) {
      continue;
    }
    const auto devices = devices_under(mount);
    return devices.size() == 1 ? std::optional(devices.front()) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace blkrewind::host
