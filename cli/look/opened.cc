#include "cli/look/opened.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/mount/mount_table.h"

namespace blkrewind::cli {
namespace {

// The kernel detaches a loop device after its last user, not with it.
constexpr auto kDetachPatience = std::chrono::seconds(5);

bool is_mount_of(const MountLine& mount, const LabelledLoop& loop) {
  // By name as well: btrfs gives its files a device number of their own.
  return mount.device == loop.device || mount.source == loop.path;
}

bool is_default_folder(const std::string& folder) {
  return folder.starts_with(std::string(kOpenFolder) + "/");
}

Status wait_for_detach(const Opened& opened) {
  const auto until = std::chrono::steady_clock::now() + kDetachPatience;
  while (true) {
    BLKREWIND_ASSIGN(const std::vector<LabelledLoop> loops, labelled_loops());
    const bool attached = std::ranges::any_of(loops, [&](const LabelledLoop& loop) {
      return loop.path == opened.loop.path && loop.label == opened.loop.label;
    });
    if (!attached) return {};
    if (std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fail(Errc::kBusy,
              opened.loop.path +
                  " is still in use: it is not mounted here, but another process "
                  "has it open, or it is mounted in another mount namespace",
              run_program("see where it is mounted", "findmnt --task 1", {opened.loop.path}));
}

}  // namespace

std::string default_folder(const std::string& snapshot_id, unsigned partition) {
  return std::string(kOpenFolder) + "/" + snapshot_id +
         (partition == 0 ? "" : ".p" + std::to_string(partition));
}

Result<OwnedFd> lock_open_folder() {
  for (const std::string& path :
       {std::string(std::filesystem::path(kOpenFolder).parent_path()), std::string(kOpenFolder)}) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(system_error(errno, "cannot create the folder " + path));
    }
  }
  OwnedFd folder(open(kOpenFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (folder.valid() && flock(folder.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail(system_error(errno, std::string("cannot lock ") + kOpenFolder));
  }
  if (!folder.valid()) return fail(system_error(errno, std::string("cannot open ") + kOpenFolder));
  return folder;
}

Result<std::vector<Opened>> list_opened() {
  BLKREWIND_ASSIGN(const std::vector<LabelledLoop> loops, labelled_loops());
  BLKREWIND_ASSIGN(const std::vector<MountLine> mounts, mount_table());
  std::vector<Opened> all;
  for (const LabelledLoop& loop : loops) {
    Opened opened{.loop = loop, .folders = {}};
    for (const MountLine& mount : mounts) {
      if (is_mount_of(mount, loop)) opened.folders.insert(opened.folders.begin(), mount.point);
    }
    // One without a folder belongs to a command that is running, and ends with it.
    if (!opened.folders.empty()) all.push_back(std::move(opened));
  }
  return all;
}

Status close_opened(const Opened& opened) {
  for (const std::string& folder : opened.folders) {
    if (umount2(folder.c_str(), UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
      Error error = system_error(errno, "cannot unmount " + folder);
      if (error.code == Errc::kBusy) {
        error.message = folder + " is in use";
        error.remedy = run_program("see by which processes", "fuser -vm", {folder});
      }
      return fail(std::move(error));
    }
    if (is_default_folder(folder)) rmdir(folder.c_str());
  }
  return wait_for_detach(opened);
}

void remove_unused_folders() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kOpenFolder, error)) {
    rmdir(entry.path().c_str());  // refused where something is mounted on it or in it
  }
}

}  // namespace blkrewind::cli
