// The mounts of this process's namespace, as the kernel lists them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// A line of /proc/PID/mountinfo, proc(5).
struct MountLine {
  std::string point;
  dev_t device = 0;  // st_dev of its files, but for those of btrfs
  std::string type;
  std::string source;
};

// In the order in which they were mounted: what is on top comes last. Lines that are none are left
// out. Does not touch the file systems, which may not answer.
[[nodiscard]] Result<std::vector<MountLine>> mount_table();

[[nodiscard]] std::vector<MountLine> parse_mount_table(const std::string& text);

// The type of the mounts of this program.
inline constexpr const char* kMountType = "fuse.blkrewind";

}  // namespace blkrewind::cli
