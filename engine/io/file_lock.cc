#include "io/file_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fd.h"

namespace blkrewind::io {
namespace {

// Blocking locks are held for one append or one read, that is, for milliseconds.
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::microseconds kShortestNap{100};
constexpr std::chrono::microseconds kLongestNap{10'000};

class FileLock final : public Lock {
 public:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;  // the lock is released with its open file description
};

struct flock byte_range(std::uint64_t offset, short type) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  return range;
}

}  // namespace

Result<std::unique_ptr<Lock>> lock_byte(const std::string& path, std::uint64_t offset,
                                        LockMode mode, bool wait) {
  const int access = mode == LockMode::kExclusive ? O_RDWR : O_RDONLY;
  UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid())
    return tl::unexpected(system_error(errno, "cannot open " + path + " to lock it"));
  return lock_byte(std::move(fd), path, offset, mode, wait);
}

Result<std::unique_ptr<Lock>> lock_byte(UniqueFd fd, const std::string& path, std::uint64_t offset,
                                        LockMode mode, bool wait) {
  struct flock range = byte_range(offset, mode == LockMode::kExclusive ? F_WRLCK : F_RDLCK);
  // F_OFD_SETLKW would wait forever for a stopped process, ignoring all signals but SIGKILL.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  auto nap = kShortestNap;
  while (::fcntl(fd.get(), F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EACCES) {
      return tl::unexpected(system_error(errno, "cannot lock " + path)
                                .with_remedy("put it on a file system that has locks"));
    }
    if (!wait) return std::unique_ptr<Lock>();
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Errc::kBusy, "another process has held " + path + " locked for 30 s",
                  run_program("see which one, and whether it is stopped or hangs", "lslocks"));
    }
    std::this_thread::sleep_for(nap);
    nap = std::min(2 * nap, kLongestNap);
  }
  return std::make_unique<FileLock>(std::move(fd));
}

Result<bool> byte_is_locked(const std::string& path, std::uint64_t offset) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) {
    return tl::unexpected(system_error(errno, "cannot open " + path + " to query its locks"));
  }
  return byte_is_locked(fd.get(), path, offset);
}

Result<bool> byte_is_locked(int fd, const std::string& path, std::uint64_t offset) {
  struct flock range = byte_range(offset, F_RDLCK);
  if (::fcntl(fd, F_OFD_GETLK, &range) != 0) {
    return tl::unexpected(system_error(errno, "cannot query the locks of " + path));
  }
  return range.l_type != F_UNLCK;
}

}  // namespace blkrewind::io
