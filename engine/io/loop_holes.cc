#include "io/loop_holes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "host/loops.h"
#include "io/preallocation.h"

namespace blkrewind::io {

LoopHoles::LoopHoles(int device_fd, UniqueFd file, std::uint64_t begin, std::uint64_t device_bytes)
    : device_fd_(device_fd), file_(std::move(file)), begin_(begin), device_bytes_(device_bytes) {}

std::unique_ptr<LoopHoles> LoopHoles::below(int fd, dev_t device, std::uint64_t device_bytes) {
  const auto loop = host::loop_device(host::whole_disk(device));
  if (!loop || !loop->is_plain || loop->backing_device != 0) return nullptr;
  UniqueFd file(::open(loop->backing_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status = {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return nullptr;
  }
  // Compared by inode: the name may refer to another file by now.
  if (host::FileId{status.st_dev, status.st_ino} != loop->backing) return nullptr;
  const std::uint64_t begin = loop->range.offset + host::partition_start_bytes(device);
  return std::unique_ptr<LoopHoles>(new LoopHoles(fd, std::move(file), begin, device_bytes));
}

bool LoopHoles::is_fully_allocated() const {
  return io::is_fully_allocated(file_.get(), {begin_, device_bytes_});
}

// Writes back the device's dirty pages to the file, and the file's own, so that its file system
// knows of them.
void LoopHoles::flush() { reliable_ = ::fsync(device_fd_) == 0 && ::fsync(file_.get()) == 0; }

std::uint64_t LoopHoles::end_bytes() const {
  struct stat status = {};
  if (::fstat(file_.get(), &status) != 0) return device_bytes_;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return std::min(device_bytes_, size < begin_ ? 0 : size - begin_);
}

std::optional<Extent> LoopHoles::next_data(std::uint64_t offset) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!looked_at_ || offset <= *looked_at_) flush();
  looked_at_ = offset;
  if (!reliable_) return std::nullopt;
  const Extent none{device_bytes_, 0};
  const off_t data = ::lseek(file_.get(), static_cast<off_t>(begin_ + offset), SEEK_DATA);
  if (data < 0) {
    // A hole up to the end of the file; a truncated part is not zero, and is read so that the read
    // fails.
    const bool hole = errno == ENXIO && end_bytes() == device_bytes_;
    return hole ? std::optional(none) : std::nullopt;
  }
  const std::uint64_t first = static_cast<std::uint64_t>(data) - begin_;
  if (first >= device_bytes_) return none;
  const off_t hole = ::lseek(file_.get(), data, SEEK_HOLE);
  if (hole < 0) return std::nullopt;
  const std::uint64_t end = std::min(static_cast<std::uint64_t>(hole) - begin_, device_bytes_);
  return Extent{first, end - first};
}

}  // namespace blkrewind::io
