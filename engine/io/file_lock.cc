#include "io/file_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "base/fd.h"

namespace blkrewind::io {
namespace {

class FileLock final : public Lock {
 public:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;  // the lock goes with its open file description
};

}  // namespace

Result<std::unique_ptr<Lock>> lock_byte(const std::string& path, std::uint64_t offset,
                                        LockMode mode, bool wait) {
  const int access = mode == LockMode::kExclusive ? O_RDWR : O_RDONLY;
  UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid())
    return tl::unexpected(system_error(errno, "cannot open " + path + " to lock it"));

  struct flock range = {};
  range.l_type = mode == LockMode::kExclusive ? F_WRLCK : F_RDLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  while (::fcntl(fd.get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    if (!wait && (errno == EAGAIN || errno == EACCES)) return std::unique_ptr<Lock>();
    return tl::unexpected(system_error(errno, "cannot lock " + path)
                              .with_hint("put it on a file system that has locks"));
  }
  return std::make_unique<FileLock>(std::move(fd));
}

}  // namespace blkrewind::io
