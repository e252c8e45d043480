// From a snapshot to the files in it: its content as a private file, a loop device over the part of
// it that holds a file system, and that file system, mounted read-only in no folder.
//
//   BLKREWIND_ASSIGN(const SnapshotFiles files, open_snapshot_files(session, {.snapshot =
//   "before"})); openat(files.mount.root.get(), "etc/fstab", O_RDONLY) ...
//
// Everything is held by the descriptor of the top folder: when that is closed, by the end of the
// process as well, nothing is left, neither a mount nor a loop device nor a process.
#pragma once

#include <optional>
#include <string>

#include "cli/look/file_system_mount.h"
#include "cli/look/file_systems.h"
#include "cli/mount/error_note.h"
#include "cli/session.h"

namespace blkrewind::cli {

// What is to be said where FileSystemMount::as_it_was.
inline constexpr const char* kJournalNotReplayed =
    "not replayed: the last changes before the snapshot may be missing; to see them, clone the "
    "snapshot and mount the clone";

struct FilesOf {
  std::string snapshot;  // id, name or "latest"
  std::string disk;      // of whose snapshots a name is looked up; empty: of all
  std::optional<unsigned> partition;
};

struct SnapshotFiles {
  SnapshotInfo snapshot;
  std::string table;  // of partitions; empty: the file system is on all of the disk
  DiskPart part;
  std::string loop;  // "/dev/loop3"
  FileSystemMount mount;
  ErrorNote last_error;  // of the process that reads the snapshot; of a device: never one

  // An error of a system call on these files with its cause: kIntegrity and the chunk, where a
  // corrupt one is that; of kNotFound, that the file may be in a journal that was not replayed.
  // Other errors as they are.
  [[nodiscard]] Error explained(Error error) const;
};

// kPrecondition: this process is not root; otherwise the errors of Engine::open_snapshot(),
// find_parts(), choose_part() and mount_file_system(). The calling process must have one thread and
// no open Engine. Paths in the file system are chosen by those who wrote to the disk: follow
// them with openat2(2) and RESOLVE_IN_ROOT.
[[nodiscard]] Result<SnapshotFiles> open_snapshot_files(const Session& session,
                                                        const FilesOf& what);

}  // namespace blkrewind::cli
