#include <algorithm>
#include <array>
#include <string_view>

#include "freeze/freeze.h"

namespace blkrewind::freeze {

// The kernel freezes a file system that has freeze_fs or freeze_super in its super_operations, and
// answers EOPNOTSUPP to others (fs/ioctl.c, ioctl_fsfreeze).
bool can_freeze(const host::MountedSuper& super) {
  constexpr std::array<std::string_view, 11> kKnow = {
      "ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "jfs", "nilfs2", "gfs2", "ocfs2", "reiserfs"};
  return std::ranges::find(kKnow, super.type) != kKnow.end();
}

}  // namespace blkrewind::freeze
