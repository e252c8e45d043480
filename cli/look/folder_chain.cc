#include "cli/look/folder_chain.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/look/path_error.h"

namespace blkrewind::cli {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

Status FolderChain::enter(OwnedFd folder) {
  struct stat status = {};
  if (fstat(folder.get(), &status) != 0) {
    return fail(path_error(errno, "cannot look at a folder"));
  }
  levels_.push_back({std::move(folder), status.st_dev, status.st_ino});
  if (levels_.size() > kMostOpen) levels_[levels_.size() - 1 - kMostOpen].folder.reset();
  return {};
}

Result<OwnedFd> FolderChain::leave() {
  OwnedFd left = std::move(levels_.back().folder);
  levels_.pop_back();
  if (levels_.empty() || levels_.back().folder.valid()) return left;
  Level& above = levels_.back();
  struct stat status = {};
  above.folder.reset(openat(left.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!above.folder.valid() || fstat(above.folder.get(), &status) != 0) {
    return fail(path_error(errno, "cannot return to the folder above"));
  }
  if (status.st_dev == above.device && status.st_ino == above.number) return left;
  return fail(Errc::kPrecondition, "a folder was moved while it was used, or is damaged");
}

int names_in(int folder, std::vector<std::string>& names) {
  OwnedFd own(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return errno;
  const std::unique_ptr<DIR, CloseDirectory> entries(fdopendir(own.get()));
  if (!entries) return errno;
  static_cast<void>(own.release());
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(entries.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name.find('/') == std::string_view::npos)
      names.emplace_back(name);
  }
}

}  // namespace blkrewind::cli
