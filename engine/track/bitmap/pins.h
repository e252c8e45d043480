// The tracking programs that are pinned on this machine, of any store.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::track {

struct PinnedProgram {
  std::string disk_id;
  std::string store_uuid;  // empty: it does not say
  std::string store_path;  // empty: not known, since an older blkrewind pinned it
  std::string device;      // "/dev/sda"; empty: not known
  // Why nothing needs it any more: its store, or its device, is gone. Empty: it may be needed.
  std::string gone;
};

// A store counts as gone when there is no store of its UUID where it was when the tracking began;
// so a store that was moved, or whose file system is not mounted, does too. What that can cost is
// one scan.
[[nodiscard]] Result<std::vector<PinnedProgram>> pinned_programs();
// Returns whether there was one.
[[nodiscard]] Result<bool> remove_pinned(const std::string& disk_id);

}  // namespace blkrewind::track
