#include "cli/look/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "blkrewind/text.h"

namespace blkrewind::cli {

Error creation_error(int sys_errno, const std::string& name) {
  Error error = system_error(sys_errno, "cannot create " + name);
  if (sys_errno == EEXIST || sys_errno == EISDIR) {
    error.code = Errc::kAlreadyExists;
    error.message = name + " exists already";
    error.remedy = "give the name that the copy is to have: nothing is overwritten";
  }
  return error;
}

Result<PartialFile> PartialFile::create(int folder, std::string name) {
  struct stat status = {};
  // Before anything is read; give_name() makes sure.
  const bool exists = fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists) return fail(creation_error(EEXIST, name));
  if (errno != ENOENT) return fail(creation_error(errno, name));
  if (name.ends_with('/')) return fail(creation_error(EISDIR, name));
  // Not derived from the name, which may already have the maximum length.
  std::string partial =
      name.substr(0, name.rfind('/') + 1) + ".blkrewind-partial-" + new_request_id();
  PartialFile made(folder, std::move(name), std::move(partial));
  made.file_.reset(openat(folder, made.partial_.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made.file_.valid()) return fail(creation_error(errno, made.name_));
  return made;
}

PartialFile::~PartialFile() {
  if (file_.valid()) unlinkat(folder_, partial_.c_str(), 0);
}

Status PartialFile::give_name() {
  bool named = renameat2(folder_, partial_.c_str(), folder_, name_.c_str(), RENAME_NOREPLACE) == 0;
  // A file system that does not know the flag may support hard links, which never replace a file
  // either.
  if (!named && (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
    named = linkat(folder_, partial_.c_str(), folder_, name_.c_str(), 0) == 0 &&
            unlinkat(folder_, partial_.c_str(), 0) == 0;
  }
  if (!named) return fail(creation_error(errno, name_));
  file_.reset();
  return {};
}

}  // namespace blkrewind::cli
