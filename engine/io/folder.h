// A directory that is opened once, and the files below it: for stores of unknown origin.
//
// A name is resolved one component at a time, by openat(2) with O_NOFOLLOW on the descriptor of the
// previous component; ".." is not accepted. This has the effect of openat2(2) with RESOLVE_BENEATH
// and RESOLVE_NO_SYMLINKS, but each directory on the path can be checked as well, and it works in a
// sandbox that refuses openat2. The path of the directory itself may contain links: the user named
// it.
//
// The checks are those of ssh(1): directories and files must be owned by root or by the effective
// user and not writable by group or others. Root may use the store of another user: its files must
// then be owned by root or by the owner of the directory. Files must be regular and have one link,
// so that no write reaches a file that also has a name outside.
//
// Thread-safe: nothing changes after open().
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"

namespace blkrewind::io {

class Folder {
 public:
  // Errors: kPrecondition - owner or mode is refused; kNotFound, kIo.
  [[nodiscard]] static Result<Folder> open(const std::string& path);

  // Opens the file `name` ("journal", "segments/7"). `flags`: an access mode, and O_CREAT | O_EXCL
  // for a new file (mode 0600, chowned to the directory's owner if root creates it). kIntegrity:
  // not a regular file; kPrecondition: a link, a refused owner or mode, or more than one link.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& name, int flags) const;
  // Opens the directory `name` for listing and flushing; "" is this one.
  [[nodiscard]] Result<UniqueFd> open_folder(const std::string& name) const;
  // lstat(2) of the name, without checks.
  [[nodiscard]] Result<struct stat> look(const std::string& name) const;
  // Mode 0700, chowned to the directory's owner if root creates it.
  [[nodiscard]] Status make_folder(const std::string& name) const;
  // Both names are below this directory.
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) const;
  // A file, a link or an empty directory.
  [[nodiscard]] Status remove(const std::string& name) const;

  // Whether another library may open the file: the checks of open_file(), without opening it.
  // False: there is no such file.
  [[nodiscard]] Result<bool> judge(const std::string& name) const;
  // Chowns a file that this process has just created to the directory's owner, if root created it.
  [[nodiscard]] Status hand_over(int fd, const std::string& name) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Folder(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  // The directory that contains the name's last component, and that component.
  struct Place {
    UniqueFd opened;  // invalid: this directory itself
    int folder = -1;
    std::string last;
  };
  [[nodiscard]] Result<Place> place_of(const std::string& name) const;
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] Status judge_owner(const struct stat& status, const std::string& path) const;
  [[nodiscard]] Status judge_file(const struct stat& status, const std::string& path) const;
  [[nodiscard]] bool gives_away() const;

  std::string path_;
  UniqueFd fd_;
  uid_t owner_ = 0;
  gid_t group_ = 0;
};

// The names in an open directory, sorted, without "." and "..".
[[nodiscard]] Result<std::vector<std::string>> names_in(UniqueFd folder, const std::string& path);

}  // namespace blkrewind::io
