#include "cli/mount/mount_point.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "cli/mount/mount_table.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {
namespace {

bool same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Whether `inner` is `outer` or below it. By what the folders are and not by their paths: a bind
// mount shows one under another path.
Result<bool> lies_in(const std::string& inner, const std::string& outer) {
  struct stat wanted = {};
  if (stat(outer.c_str(), &wanted) != 0) {
    return fail(system_error(errno, "cannot look at " + outer));
  }
  OwnedFd folder(open(inner.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat before = {};
  for (int depth = 0; folder.valid() && depth < PATH_MAX; ++depth) {
    struct stat here = {};
    if (fstat(folder.get(), &here) != 0) break;
    if (same(here, wanted)) return true;
    if (depth > 0 && same(here, before)) return false;  // ".." of the root is the root
    before = here;
    folder.reset(openat(folder.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  return fail(system_error(errno, "cannot find out where " + inner + " is"));
}

}  // namespace

Result<std::string> check_mount_point(const std::string& folder, const std::string& store) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(folder.c_str(), nullptr), std::free);
  struct stat status = {};
  if (!real || stat(real.get(), &status) != 0) {
    Error error = system_error(errno, "cannot mount on " + folder);
    if (errno == ENOENT) error.remedy = run_program("create it", "mkdir", {folder});
    if (errno == ENOTCONN) {
      error.code = Errc::kPrecondition;
      error.remedy = run_program("take the mount down whose process has ended", "umount", {folder});
    }
    return fail(std::move(error));
  }
  std::string path = real.get();
  if (!S_ISDIR(status.st_mode)) {
    return fail(Errc::kInvalidArgument, "cannot mount on " + folder + ": it is not a folder",
                "name an empty folder");
  }
  BLKREWIND_ASSIGN(const std::vector<MountLine> mounts, mount_table());
  for (const MountLine& mount : mounts) {
    if (mount.point != path || mount.type != kMountType) continue;
    return fail(Errc::kPrecondition, folder + " is a mount of blkrewind already",
                run_program("take that down", "umount", {folder}));
  }
  BLKREWIND_ASSIGN(const bool inside, lies_in(path, store));
  if (inside) {
    return fail(Errc::kPrecondition, folder + " is inside of the store " + store,
                "name a folder elsewhere");
  }
  BLKREWIND_ASSIGN(const bool around, lies_in(store, path));
  if (around) {
    return fail(Errc::kPrecondition, "a mount on " + folder + " would hide the store " + store,
                "name a folder elsewhere");
  }
  return path;
}

}  // namespace blkrewind::cli
