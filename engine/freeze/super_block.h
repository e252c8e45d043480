// Which file system a descriptor is on, told apart from another that gets the same device number
// later.
//
// Reads only; none of these calls waits for a file system that is frozen. Any thread.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "host/stack.h"

namespace blkrewind::freeze {

// btrfs: its UUID, because each subvolume has a device number and an id (statfs(2)) of its own.
// Others: that id.
[[nodiscard]] Result<std::string> file_system_id(int fd);

// One that is mounted anywhere: in this mount namespace, or in one that a process is in. Opened for
// reading where it is mounted, which may be another place than `super` says. kNotFound: it is
// mounted nowhere, or what has its number now is another file system.
[[nodiscard]] Result<UniqueFd> find_super(const host::MountedSuper& super, const std::string& id);

}  // namespace blkrewind::freeze
