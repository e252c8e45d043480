// The content of one snapshot as a file that is in no folder: for loop devices and for programs
// that want a descriptor.
#pragma once

#include <string>

#include "blkrewind/engine.h"
#include "cli/mount/error_note.h"
#include "cli/owned_fd.h"
#include "cli/session.h"

namespace blkrewind::cli {

struct PrivateImage {
  SnapshotInfo snapshot;
  // Read-only, of device_bytes. A process in the background answers what is read from it; that
  // ends when the last reference to the file is closed, that of a loop device among them, whatever
  // becomes of this process. If it is killed itself, reads are input/output errors.
  OwnedFd file;
  ErrorNote last_error;  // of that process
};

// `disk`: of whose snapshots a name is looked up; empty: of all. The errors of
// Engine::open_snapshot(); kUnsupported: the kernel has no FUSE, or is older than 5.2. Needs root.
// The calling process must have one thread and no open Engine (cli/mount/background.h).
[[nodiscard]] Result<PrivateImage> open_private_image(const Session& session,
                                                      const std::string& snapshot,
                                                      const std::string& disk);

}  // namespace blkrewind::cli
