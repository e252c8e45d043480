// The tracking programs that are pinned on this machine, for any store.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::track {

struct PinnedProgram {
  std::string disk_id;
  std::string store_uuid;  // empty: not recorded
  std::string store_path;  // empty: unknown, because an older version pinned it
  std::string device;      // "/dev/sda"; empty: unknown
  // Why it can be pruned: its store, or its device, is gone. Empty: it may be in use.
  std::string gone;
};

// A store counts as gone if there is no store with its UUID at the path recorded when tracking
// started; this includes a store that was moved, or whose file system is not mounted. The cost of
// pruning it is one scan.
[[nodiscard]] Result<std::vector<PinnedProgram>> pinned_programs();
// Returns whether there was one.
[[nodiscard]] Result<bool> remove_pinned(const std::string& disk_id);

}  // namespace blkrewind::track
