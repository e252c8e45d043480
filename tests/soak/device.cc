#include "soak/device.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/fd.h"
#include "soak/durable.h"

namespace blkrewind::soak {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

void write_noise(int fd, std::uint64_t offset, std::uint64_t length, sim::Random& random) {
  std::vector<std::uint64_t> noise(length / sizeof(std::uint64_t) + 1);
  for (std::uint64_t& word : noise) word = random.next();
  if (::pwrite(fd, noise.data(), length, static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(length)) {
    fail_with_errno("write to the device");
  }
}

void write_zeroes(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::vector<char> zeroes(length);
  if (::pwrite(fd, zeroes.data(), length, static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(length)) {
    fail_with_errno("write to the device");
  }
}

// Discarded or zeroed by the kernel, if possible.
bool punch(int fd, bool block, bool discard, std::uint64_t offset, std::uint64_t length) {
  if (!block) {
    const int mode = discard ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
    return ::fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0;
  }
  std::array<std::uint64_t, 2> range = {offset, length};
  return ::ioctl(fd, discard ? BLKDISCARD : BLKZEROOUT, range.data()) == 0;
}

}  // namespace

Device::Device(const std::string& backing, std::uint64_t size_bytes, bool image)
    : backing_(backing), size_bytes_(size_bytes) {
  if (::access(backing.c_str(), F_OK) != 0) test::make_sparse_file(backing, size_bytes);
  if (!image) loop_.emplace(test::LoopDevice::make(backing, size_bytes));
}

void Device::change(sim::Random& random) const {
  const UniqueFd fd(::open(path().c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) fail_with_errno("open " + path());
  // Occasionally all of it, so that the next operations have much to do.
  if (random.percent(25)) write_noise(fd.get(), 0, size_bytes_, random);
  const std::uint64_t ranges = 1 + random.below(12);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    const std::uint64_t length_max = std::uint64_t{1} << (9 + random.below(13));  // to 2 MiB
    const std::uint64_t sectors =
        1 + random.below(std::min(length_max, size_bytes_) / kSectorBytes);
    const std::uint64_t first = random.below(size_bytes_ / kSectorBytes - sectors + 1);
    const std::uint64_t offset = first * kSectorBytes;
    const std::uint64_t length = sectors * kSectorBytes;
    const std::uint64_t how = random.below(10);
    if (how < 6) {
      write_noise(fd.get(), offset, length - random.below(kSectorBytes), random);
    } else if (how < 7 || !punch(fd.get(), loop_.has_value(), how < 9, offset, length)) {
      write_zeroes(fd.get(), offset, length);
    }
  }
  if (::fsync(fd.get()) != 0) fail_with_errno("flush " + path());
}

void Device::wait_until_free() const {
  if (!loop_) return;
  constexpr int kTriesMax = 10000;
  for (int i = 0; i < kTriesMax; ++i) {
    if (UniqueFd(::open(path().c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)).valid()) return;
    ::usleep(1000);
  }
  fail_with_errno("no process is left, but it is held: " + path());
}

}  // namespace blkrewind::soak
