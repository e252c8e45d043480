// A file system of a disk image, mounted so that nothing of it can change.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {

struct FileSystemMount {
  // Its top folder. The mount is in no folder: it is gone when this is closed, also by the end of
  // the process, unless attach_mount() gave it one.
  OwnedFd root;
  std::string options;  // "ro,norecovery,nouuid"
  // Its journal was not replayed: it was in use, and may lack the last changes.
  bool as_it_was = false;
};

// Mounts `device`, which is read-only, nodev and nosuid. `type`: as libblkid names it.
// kUnsupported: this kernel does not know it, or not its features; kIntegrity: it is damaged. Needs
// root, and Linux 5.2.
[[nodiscard]] Result<FileSystemMount> mount_file_system(const std::string& device,
                                                        const std::string& type);

// Shows it in `folder`, from now on until it is unmounted there.
[[nodiscard]] Status attach_mount(const FileSystemMount& mount, const std::string& folder);

}  // namespace blkrewind::cli
