// A new file that has its name only when it is complete: until then its name begins with
// ".blkrewind-partial-", in the same folder.
#pragma once

#include <string>

#include "blkrewind/error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {

// Removed when this is destroyed, unless it has its name; a process that is killed leaves it.
class PartialFile {
 public:
  // In the folder `folder`, which must stay open, or AT_FDCWD and `name` is a path. Mode 0600.
  // kAlreadyExists: there is something of that name.
  [[nodiscard]] static Result<PartialFile> create(int folder, std::string name);

  PartialFile(PartialFile&& other) noexcept = default;
  PartialFile& operator=(PartialFile&& other) = delete;
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  // For writing.
  [[nodiscard]] int descriptor() const { return file_.get(); }
  // Nothing is replaced: kAlreadyExists, as create(). Flushes nothing.
  [[nodiscard]] Status give_name();

 private:
  PartialFile(int folder, std::string name, std::string partial)
      : folder_(folder), name_(std::move(name)), partial_(std::move(partial)) {}

  int folder_;
  std::string name_;
  std::string partial_;
  OwnedFd file_;  // invalid: moved from, or it has its name
};

// "cannot create NAME", or that it exists already.
[[nodiscard]] Error creation_error(int sys_errno, const std::string& name);

}  // namespace blkrewind::cli
