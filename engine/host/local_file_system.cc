#include "host/local_file_system.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

namespace blkrewind::host {
namespace {

// Names are of linux/magic.h; numbers name their source. overlayfs counts by where it writes, which
// cannot be on NFS (Documentation/filesystems/overlayfs.rst, "Upper and Lower").
constexpr std::uint64_t kLocalTypes[] = {
    EXT4_SUPER_MAGIC,  // ext2 and ext3 too
    XFS_SUPER_MAGIC,      BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,  NILFS_SUPER_MAGIC,
    REISERFS_SUPER_MAGIC, TMPFS_MAGIC,       RAMFS_MAGIC,       OVERLAYFS_SUPER_MAGIC,
    MSDOS_SUPER_MAGIC,    EXFAT_SUPER_MAGIC, ISOFS_SUPER_MAGIC, SQUASHFS_MAGIC,
    EROFS_SUPER_MAGIC_V1, UDF_SUPER_MAGIC,
    0x3153464a,  // JFS: fs/jfs/jfs_superblock.h
    0xca451a4e,  // bcachefs: BCACHEFS_STATFS_MAGIC
    0x2fc12fc1,  // ZFS: OpenZFS, ZFS_SUPER_MAGIC
    0x7366746e,  // NTFS: fs/ntfs3/super.c
};

}  // namespace

bool is_local_file_system(std::uint64_t type) {
  return std::ranges::find(kLocalTypes, type) != std::end(kLocalTypes);
}

bool is_on_local_file_system(const std::string& path) {
  struct statfs status {};
  // f_type is signed on some architectures; the constants have 32 bits.
  return ::statfs(path.c_str(), &status) == 0 &&
         is_local_file_system(static_cast<std::uint32_t>(status.f_type));
}

}  // namespace blkrewind::host
