#include "io/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/remedies.h"

namespace blkrewind::io {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

tl::unexpected<Error> errno_error(int error, std::string message) {
  Error made = system_error(error, std::move(message));
  switch (error) {
    case EEXIST:
      made.code = Errc::kAlreadyExists;
      break;
    case EROFS:
      made.remedy = run_program("make its file system writable", "mount -o remount,rw")
                        .because("it is read-only");
      break;
    case EMFILE:
    case ENFILE:
      made.remedy = raise_open_files();
      break;
    default:
      break;
  }
  return tl::unexpected(std::move(made));
}

tl::unexpected<Error> not_ours(const std::string& path, const char* what) {
  return fail(Errc::kIntegrity, "the store is damaged: " + path + " is " + what,
              "move away what stands in its place and bring the file back from a backup");
}

// Not damage: an administrator may have put it there for a reason.
tl::unexpected<Error> a_link(const std::string& path) {
  return fail(Errc::kPrecondition,
              path + " is a symbolic link, and links are not followed in the directory of a store",
              Remedy("put in its place what it leads to")
                  .or_else(run_program("mount that there", "mount --bind")));
}

int open_at(int folder, const std::string& name, int flags) {
  int fd = -1;
  do {
    fd = ::openat(folder, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                  0600);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

std::string Folder::path_of(std::string_view name) const {
  return name.empty() ? path_ : path_ + "/" + std::string(name);
}

Status Folder::judge_owner(const struct stat& status, const std::string& path) const {
  const uid_t self = ::geteuid();
  const bool trusted =
      status.st_uid == 0 || status.st_uid == self || (self == 0 && status.st_uid == owner_);
  if (!trusted) {
    return fail(Errc::kPrecondition,
                path + " belongs to user " + std::to_string(status.st_uid) + ", which is neither " +
                    (self == 0 ? "root nor the owner of the store's directory"
                               : "root nor the user who runs this command"),
                self == 0 ? Remedy("see what it is and how it came there")
                                .and_then(run_program("take it over if it can be trusted", "chown",
                                                      {std::to_string(owner_), path}))
                          : Remedy("run the command as that user or as root"));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(
        Errc::kPrecondition, path + " can be written by other users, who could misuse this command",
        Remedy("see that its content can be trusted")
            .and_then(run_program("make it writable by its owner only", "chmod go-w", {path})));
  }
  return {};
}

Status Folder::judge_file(const struct stat& status, const std::string& path) const {
  if (S_ISLNK(status.st_mode)) return a_link(path);
  if (!S_ISREG(status.st_mode)) return not_ours(path, "no file");
  if (status.st_nlink > 1) {
    return fail(Errc::kPrecondition,
                path + " has " + std::to_string(status.st_nlink) +
                    " hard links, so a change to it would change another file as well",
                run_program("find the other names", "find -samefile", {path})
                    .and_then("remove them, or copy the file to its name here"));
  }
  return judge_owner(status, path);
}

Result<Folder> Folder::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), kFolderFlags));
  if (!fd.valid()) {
    Error error = system_error(errno, "cannot open the directory " + path);
    if (error.sys_errno == ENOTDIR) error.remedy = "name a folder";
    return tl::unexpected(std::move(error));
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, "cannot inspect " + path);
  Folder folder(path, std::move(fd));
  folder.owner_ = status.st_uid;
  folder.group_ = status.st_gid;
  BLKREWIND_TRY(folder.judge_owner(status, path));
  return folder;
}

Result<Folder::Place> Folder::place_of(const std::string& name) const {
  Place place;
  place.folder = fd_.get();
  std::string_view rest = name;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string step(rest.substr(0, slash));
    if (step.empty() || step == "." || step == "..") {
      return fail(Errc::kInternal, path_of(name) + " is not a name below its directory");
    }
    if (slash == std::string_view::npos) {
      place.last = step;
      return place;
    }
    UniqueFd next(open_at(place.folder, step, kFolderFlags));
    const std::string path = path_of(name.substr(0, name.size() - rest.size() + slash));
    if (!next.valid()) {
      const int error = errno;
      // ENOTDIR is also the error for a link: O_NOFOLLOW with O_DIRECTORY (open(2)).
      struct stat status = {};
      const bool seen = ::fstatat(place.folder, step.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
      if (seen && S_ISLNK(status.st_mode)) return a_link(path);
      if (error == ENOTDIR) return not_ours(path, "no folder");
      return errno_error(error, "cannot open the directory " + path);
    }
    struct stat status = {};
    if (::fstat(next.get(), &status) != 0) return errno_error(errno, "cannot inspect " + path);
    BLKREWIND_TRY(judge_owner(status, path));
    place.opened = std::move(next);
    place.folder = place.opened.get();
    rest.remove_prefix(slash + 1);
  }
}

Result<UniqueFd> Folder::open_file(const std::string& name, int flags) const {
  BLKREWIND_ASSIGN(const Place place, place_of(name));
  const std::string path = path_of(name);
  const bool create = (flags & O_CREAT) != 0;
  struct stat status = {};
  if (!create) {
    // Checked first: opening a device can have side effects.
    if (::fstatat(place.folder, place.last.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno_error(errno, "cannot open " + path);
    }
    BLKREWIND_TRY(judge_file(status, path));
  }
  // O_NONBLOCK in case a FIFO was put there meanwhile.
  UniqueFd fd(open_at(place.folder, place.last, flags));
  if (!fd.valid()) {
    if (errno == ELOOP) return a_link(path);
    return errno_error(errno, (create ? "cannot create " : "cannot open ") + path);
  }
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, "cannot inspect " + path);
  if (create) {
    if (Status given = hand_over(fd.get(), name); !given) {
      (void)::unlinkat(place.folder, place.last.c_str(), 0);
      return fail(std::move(given).error());
    }
  } else {
    BLKREWIND_TRY(judge_file(status, path));
  }
  // io_uring fails requests that would block on such a descriptor.
  const int now = ::fcntl(fd.get(), F_GETFL);
  if (now < 0 || ::fcntl(fd.get(), F_SETFL, now & ~O_NONBLOCK) != 0) {
    return errno_error(errno, "cannot set the flags of " + path);
  }
  return fd;
}

Result<UniqueFd> Folder::open_folder(const std::string& name) const {
  // A separate descriptor, also for this directory itself: readdir(3) moves its position.
  if (name.empty()) {
    UniqueFd self(::openat(fd_.get(), ".", kFolderFlags));
    if (!self.valid()) return errno_error(errno, "cannot open the directory " + path_);
    return self;
  }
  BLKREWIND_ASSIGN(Place place, place_of(name + "/x"));
  return std::move(place.opened);
}

Result<struct stat> Folder::look(const std::string& name) const {
  BLKREWIND_ASSIGN(const Place place, place_of(name));
  struct stat status = {};
  if (::fstatat(place.folder, place.last.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, "cannot find " + path_of(name));
  }
  return status;
}

Result<bool> Folder::judge(const std::string& name) const {
  const auto status = look(name);
  if (!status && status.error().code == Errc::kNotFound) return false;
  if (!status) return fail(status.error());
  BLKREWIND_TRY(judge_file(*status, path_of(name)));
  return true;
}

bool Folder::gives_away() const { return ::geteuid() == 0 && (owner_ != 0 || group_ != 0); }

Status Folder::hand_over(int fd, const std::string& name) const {
  // Not applicable to a file system without owners, or in a user namespace without this user.
  if (!gives_away() || ::fchown(fd, owner_, group_) == 0 || errno == EINVAL || errno == EPERM) {
    return {};
  }
  return errno_error(errno, "cannot give " + path_of(name) + " to the owner of " + path_);
}

Status Folder::make_folder(const std::string& name) const {
  BLKREWIND_ASSIGN(const Place place, place_of(name));
  if (::mkdirat(place.folder, place.last.c_str(), 0700) != 0) {
    return errno_error(errno, "cannot create the directory " + path_of(name));
  }
  if (!gives_away()) return {};
  const UniqueFd made(open_at(place.folder, place.last, kFolderFlags));
  struct stat status = {};
  // The owner may have created the name already; that file stays as it is.
  if (!made.valid() || ::fstat(made.get(), &status) != 0 || status.st_uid != 0) return {};
  return hand_over(made.get(), name);
}

Status Folder::rename(const std::string& from, const std::string& to) const {
  BLKREWIND_ASSIGN(const Place source, place_of(from));
  BLKREWIND_ASSIGN(const Place target, place_of(to));
  if (::renameat(source.folder, source.last.c_str(), target.folder, target.last.c_str()) == 0) {
    return {};
  }
  return errno_error(errno, "cannot rename " + path_of(from) + " to " + path_of(to));
}

Status Folder::remove(const std::string& name) const {
  BLKREWIND_ASSIGN(const Place place, place_of(name));
  if (::unlinkat(place.folder, place.last.c_str(), 0) == 0) return {};
  if (errno == EISDIR && ::unlinkat(place.folder, place.last.c_str(), AT_REMOVEDIR) == 0) return {};
  return errno_error(errno, "cannot remove " + path_of(name));
}

Result<std::vector<std::string>> names_in(UniqueFd folder, const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(folder.get()), ::closedir);
  if (!directory) return errno_error(errno, "cannot list the directory " + path);
  (void)folder.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // readdir(3): only errno distinguishes the end from an error
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_error(errno, "cannot list the directory " + path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace blkrewind::io
