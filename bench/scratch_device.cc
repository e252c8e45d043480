#include "scratch_device.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

namespace bench {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::align_val_t kAlignment{kBlockBytes};

[[noreturn]] void give_up(const std::string& path, const char* what) {
  std::fprintf(stderr, "serve_load: cannot %s %s: %s\n", what, path.c_str(), std::strerror(errno));
  std::exit(1);
}

class OpenFile {
 public:
  OpenFile(const std::string& path, int flags) {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_DIRECT);
    if (fd < 0 && errno == EINVAL) fd = ::open(path.c_str(), flags | O_CLOEXEC);
    if (fd < 0) give_up(path, "open");
  }
  ~OpenFile() { ::close(fd); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd;
};

}  // namespace

void ScratchDevice::Free::operator()(std::byte* data) const { ::operator delete(data, kAlignment); }

ScratchDevice::Buffer ScratchDevice::allocate(std::uint64_t size_bytes) {
  return Buffer(static_cast<std::byte*>(::operator new(size_bytes, kAlignment)));
}

ScratchDevice::ScratchDevice(std::string path) : path_(std::move(path)) {
  {
    const OpenFile file(path_, O_RDONLY);
    const off_t end = ::lseek(file.fd, 0, SEEK_END);
    if (end < 0) give_up(path_, "measure");
    size_bytes_ = static_cast<std::uint64_t>(end);
  }
  remembered_ = allocate(size_bytes_);
  now_ = allocate(size_bytes_);
  read_all(remembered_.get());
}

void ScratchDevice::read_all(std::byte* into) const {
  const OpenFile file(path_, O_RDONLY);
  std::uint64_t done = 0;
  while (done < size_bytes_) {
    const ssize_t got = ::pread(file.fd, into + done, size_bytes_ - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) give_up(path_, "read");
    done += static_cast<std::uint64_t>(got);
  }
}

std::uint64_t ScratchDevice::change(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const OpenFile file(path_, O_WRONLY);
  const std::uint64_t blocks = size_bytes_ / kBlockBytes;
  std::uint64_t written = 0;
  for (std::uint64_t left = 1 + random() % 8; left > 0; --left) {
    const std::uint64_t first = random() % blocks;
    const std::uint64_t length =
        kBlockBytes * (1 + random() % std::min<std::uint64_t>(64, blocks - first));
    const bool zeroes = random() % 4 == 0;
    std::byte* const data = now_.get();
    for (std::uint64_t at = 0; at < length; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = zeroes ? 0 : random();
      std::memcpy(data + at, &word, sizeof word);
    }
    const auto offset = static_cast<off_t>(first * kBlockBytes);
    if (::pwrite(file.fd, data, length, offset) != static_cast<ssize_t>(length)) {
      give_up(path_, "write");
    }
    written += length;
  }
  if (::fsync(file.fd) != 0) give_up(path_, "flush");
  return written;
}

std::optional<std::uint64_t> ScratchDevice::difference() const {
  read_all(now_.get());
  const auto [mine, other] =
      std::mismatch(remembered_.get(), remembered_.get() + size_bytes_, now_.get());
  if (mine == remembered_.get() + size_bytes_) return {};
  return static_cast<std::uint64_t>(mine - remembered_.get());
}

}  // namespace bench
