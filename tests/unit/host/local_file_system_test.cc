#include "host/local_file_system.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

namespace blkrewind::host {
namespace {

TEST(LocalFileSystem, OnesOfThisMachineAre) {
  for (const std::uint64_t type : {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, TMPFS_MAGIC}) {
    EXPECT_TRUE(is_local_file_system(type)) << std::hex << type;
  }
  EXPECT_TRUE(is_local_file_system(BTRFS_SUPER_MAGIC));
  EXPECT_TRUE(is_on_local_file_system("/dev/shm"));
}

TEST(LocalFileSystem, OnesOfSeveralMachinesAndUnknownOnesAreNot) {
  for (const std::uint64_t type : std::initializer_list<std::uint64_t>{
           NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
           V9FS_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC, CODA_SUPER_MAGIC, NCP_SUPER_MAGIC,
           OCFS2_SUPER_MAGIC, FUSE_SUPER_MAGIC,
           0x01161970,  // GFS2: GFS2_MAGIC
           0x0bd00bd0,  // Lustre: LL_SUPER_MAGIC
           0x19830326,  // BeeGFS
           0x786f4256,  // VirtualBox: VBOXSF_SUPER_MAGIC
           0x47504653,  // GPFS
           0, 0x12345678}) {
    EXPECT_FALSE(is_local_file_system(type)) << std::hex << type;
  }
}

TEST(LocalFileSystem, WhatCannotBeQueriedIsNot) {
  EXPECT_FALSE(is_on_local_file_system("/no/such/folder"));
}

}  // namespace
}  // namespace blkrewind::host
