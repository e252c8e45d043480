// The snapshots that are open in folders, as the kernel knows them: mounts of the loop devices of
// this program. There is no other record, so none can be wrong after a crash.
#pragma once

#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "cli/look/loop_device.h"

namespace blkrewind::cli {

// Where snapshots are shown for which no folder is named: one folder for each, of root alone.
inline constexpr const char* kOpenFolder = "/run/blkrewind/open";

// "/run/blkrewind/open/s-..." with ".pN" for a partition that was chosen.
[[nodiscard]] std::string default_folder(const std::string& snapshot_id, unsigned partition);

// Creates kOpenFolder, with mode 0700, and keeps other commands from creating and removing folders
// in it until it is closed. Waits for them.
[[nodiscard]] Result<OwnedFd> lock_open_folder();

struct Opened {
  LabelledLoop loop;
  std::vector<std::string> folders;  // in which it is mounted, the topmost mount first
};

[[nodiscard]] Result<std::vector<Opened>> list_opened();

// Unmounts it everywhere in this mount namespace, and waits until the loop device is detached;
// removes its folders in kOpenFolder. kBusy: a file or folder is in use.
[[nodiscard]] Status close_opened(const Opened& opened);

// Removes the folders in kOpenFolder on which nothing is mounted, as a killed process leaves them.
void remove_unused_folders();

}  // namespace blkrewind::cli
