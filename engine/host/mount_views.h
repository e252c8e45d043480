// What is mounted in every mount namespace, and the way to it.
//
// A mount namespace is seen through a process in it. One without a visible process (kept by a bind
// mount or an open file alone, or by processes of another PID namespace) is not seen; its devices
// are claimed all the same, which an exclusive open notices. Only reads /proc; any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "host/mounts.h"
#include "host/sysfs.h"

namespace blkrewind::host {

// The mounts that one process sees: those of its mount namespace that are below its root.
struct MountView {
  pid_t seen_by = 0;  // a process or a thread; 0: this process
  std::vector<Mount> mounts;
};

// This process's own first, then one per other mount namespace (and other root in the same one).
// Errors: kIo - /proc is not available.
[[nodiscard]] Result<std::vector<MountView>> read_mount_views();

// The mounts of one view as they are now.
[[nodiscard]] Result<std::vector<Mount>> read_view(pid_t seen_by);

// An O_PATH descriptor of what `seen_by` would find at the absolute `path`; symbolic links stay
// below its root. Invalid, with errno: it is not there.
[[nodiscard]] UniqueFd locate(pid_t seen_by, const std::string& path);

// The mount that an open file is on; -1 if the kernel does not tell. By its id, not by the longest
// matching mount point: mount points can be stacked, bound and hidden.
[[nodiscard]] int mount_id_of(const UniqueFd& fd);

// The super block of an open file, by its mount in the list, which must be of after the file was
// opened: an open file keeps its mount, so the id is not given to another. stat(2) alone does not
// tell: for btrfs it has the subvolume's number, for a file on an overlay it may have another file
// system's. Empty: the mount is not listed, and stat(2) has an anonymous number.
[[nodiscard]] std::optional<DeviceNumber> super_of(const UniqueFd& fd,
                                                   const std::vector<Mount>& mounts);

// Opens a located file or folder for reading. Invalid if it is neither: to open a node, a FIFO or a
// socket would do something.
[[nodiscard]] UniqueFd open_located(const UniqueFd& located);

}  // namespace blkrewind::host
