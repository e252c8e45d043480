// Serves a SnapshotTree to the kernel by FUSE: the content comes from readers of an Engine.
//
// A reader is opened with a file and closed with it, so that a snapshot is held against deletion
// while a file of it is open, and no longer.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/engine.h"
#include "cli/mount/mount_log.h"
#include "cli/mount/snapshot_tree.h"

namespace blkrewind::cli {

// Where the kernel sends its requests.
struct ServedMount {
  // Either a folder, to be mounted on (by root, or by fusermount3 for other users), ...
  std::string folder;
  bool allow_other =
      false;  // to other users too; for users who are not root if fuse.conf lets them
  // ... or the descriptor of /dev/fuse that a mount was made with already. Not closed.
  int device = -1;
};

class FileServer {
 public:
  // Mounts. All of them must outlive the server; `engine` is used for nothing else. kUnsupported:
  // there is no /dev/fuse; kPrecondition: the mount was refused.
  [[nodiscard]] static Result<std::unique_ptr<FileServer>> mount(SnapshotTree& tree, Engine& engine,
                                                                 MountLog& log,
                                                                 const ServedMount& where);
  // Unmounts, if that was not done.
  ~FileServer();
  FileServer(const FileServer&) = delete;
  FileServer& operator=(const FileServer&) = delete;

  // Answers the kernel, on several threads, until the mount is taken down, or a SIGINT, SIGTERM or
  // SIGHUP whose disposition is the default. Blocks.
  [[nodiscard]] Status serve();

 private:
  struct Impl;
  explicit FileServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace blkrewind::cli
