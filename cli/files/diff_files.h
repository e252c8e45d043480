// Which files differ between a snapshot and a device, or two snapshots: both are opened, and their
// file systems mounted read-only in no folder.
#pragma once

#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "cli/files/compare_trees.h"
#include "cli/session.h"

namespace blkrewind::cli {

struct FilesToCompare {
  std::string target;
  std::string before;  // a snapshot of it
  std::string after;   // another one; empty: the device
  std::optional<unsigned> partition;
};

struct DiffFilesReceipt {
  std::string from;  // snapshot ids; empty: the device
  std::string to;
  std::string type;        // of the file system
  unsigned partition = 0;  // 0: it is on all of the disk
  // The journal of one of them was not replayed: it was in use, and may lack the last changes.
  bool as_it_was = false;
  ComparedFiles compared;
  double elapsed_seconds = 0;
};

// The errors of open_snapshot_files(), Engine::diff() and compare_trees(). kUnsupported: the kernel
// does not mount two states of this file system at once. The calling process must have one thread
// and no open Engine.
[[nodiscard]] Result<DiffFilesReceipt> diff_files(Session& session, const FilesToCompare& what,
                                                  const VisitFile& visit);

}  // namespace blkrewind::cli
