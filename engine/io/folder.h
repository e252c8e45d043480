// A folder that is opened once, and the files beneath it: what a store of unknown origin is used
// through.
//
// A name is walked one component at a time, each by openat(2) with O_NOFOLLOW on the descriptor of
// the one before, and ".." is none. That is what openat2(2) does with RESOLVE_BENEATH and
// RESOLVE_NO_SYMLINKS, but each folder on the way can be judged as well, and a sandbox that refuses
// openat2 takes nothing away. The path of the folder itself may lead through links: the user named
// it.
//
// Judged as ssh(1) judges its files: folders and files are owned by root or by the effective user,
// and not writable by group or others. Root may use the store of another user: its files are then
// owned by root or by the owner of the folder. Files are regular and have one name, so that no
// write lands in a file that has another name outside.
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
  // Errors: kPrecondition - of an owner or mode that is refused; kNotFound, kIo.
  [[nodiscard]] static Result<Folder> open(const std::string& path);

  // Opens the file `name` ("journal", "segments/7"). `flags`: an access mode, and O_CREAT | O_EXCL
  // for a new file (mode 0600, given to the folder's owner when root makes it). kIntegrity: no
  // regular file; kPrecondition: a link, of a refused owner or mode, or it has several names.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& name, int flags) const;
  // Opens the folder `name` for listing and flushing; "" is this one.
  [[nodiscard]] Result<UniqueFd> open_folder(const std::string& name) const;
  // lstat(2) of the name, unjudged.
  [[nodiscard]] Result<struct stat> look(const std::string& name) const;
  // Mode 0700, given to the folder's owner when root makes it.
  [[nodiscard]] Status make_folder(const std::string& name) const;
  // Both beneath this folder.
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) const;
  // A file, a link or an empty folder.
  [[nodiscard]] Status remove(const std::string& name) const;

  // Whether the file may be opened by another library: open_file()'s rules, without opening it.
  // False: there is no such file.
  [[nodiscard]] Result<bool> judge(const std::string& name) const;
  // Gives a file that this process has just made to the folder's owner, when root made it.
  [[nodiscard]] Status hand_over(int fd, const std::string& name) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Folder(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  // The folder that holds the name's last component, and that component.
  struct Place {
    UniqueFd opened;  // invalid: this folder itself
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

// The names in an open folder, sorted, without "." and "..".
[[nodiscard]] Result<std::vector<std::string>> names_in(UniqueFd folder, const std::string& path);

}  // namespace blkrewind::io
