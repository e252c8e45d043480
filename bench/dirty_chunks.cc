// Overwrites chunks of a device or file with random bytes, for scripts/bench-rollback: no chunk
// ends up zero, none compresses. The same seed picks the same chunks and writes the same bytes.
//
//   dirty_chunks PATH percent P SEED     P % of all chunks, picked at random; 100: every one
//   dirty_chunks PATH count N SEED       N chunks
//
// Prints how many bytes were written; they are flushed. Direct I/O where the file takes it, so that
// nothing is left behind in the page cache. Standard library and Linux only.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>

namespace {

constexpr std::uint64_t kChunkBytes = 64 * 1024;
constexpr std::align_val_t kAlignment{4096};

[[noreturn]] void give_up(const std::string& what, int error) {
  std::fprintf(stderr, "dirty_chunks: %s: %s\n", what.c_str(), std::strerror(error));
  std::exit(1);
}

[[noreturn]] void usage() {
  std::fprintf(stderr, "usage: dirty_chunks PATH percent|count NUMBER SEED\n");
  std::exit(2);
}

int open_path(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_DIRECT);
  if (fd < 0 && errno == EINVAL) fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) give_up("cannot open " + path, errno);
  return fd;
}

std::uint64_t size_of(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) give_up("cannot stat " + path, errno);
  if (!S_ISBLK(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t size = 0;
  if (::ioctl(fd, BLKGETSIZE64, &size) != 0) give_up("cannot ask for the size of " + path, errno);
  return size;
}

void write_all(int fd, const std::string& path, const std::byte* data, std::uint64_t length,
               std::uint64_t offset) {
  while (length > 0) {
    const ssize_t written = ::pwrite(fd, data, length, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) give_up("cannot write " + path + " at " + std::to_string(offset), errno);
    data += written;
    offset += static_cast<std::uint64_t>(written);
    length -= static_cast<std::uint64_t>(written);
  }
}

struct Free {
  void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) usage();
  const std::string path = argv[1];
  const std::string unit = argv[2];
  char* end = nullptr;
  const double number = std::strtod(argv[3], &end);
  if (*end != '\0' || !(number >= 0)) usage();
  std::mt19937_64 random(std::strtoull(argv[4], &end, 10));
  if (*end != '\0') usage();

  const int fd = open_path(path);
  const std::uint64_t size = size_of(fd, path);
  const std::uint64_t chunks = (size + kChunkBytes - 1) / kChunkBytes;
  std::uint64_t wanted = 0;
  if (unit == "percent" && number <= 100) {
    wanted = static_cast<std::uint64_t>(std::llround(static_cast<double>(chunks) * number / 100));
  } else if (unit == "count" && number <= static_cast<double>(chunks)) {
    wanted = static_cast<std::uint64_t>(number);
  } else {
    usage();
  }

  // Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): exactly `wanted` of them, in order.
  const std::unique_ptr<std::byte, Free> buffer(
      static_cast<std::byte*>(::operator new(kChunkBytes, kAlignment)));
  std::uint64_t bytes = 0;
  for (std::uint64_t chunk = 0; chunk < chunks && wanted > 0; ++chunk) {
    if (random() % (chunks - chunk) >= wanted) continue;
    --wanted;
    for (std::uint64_t at = 0; at < kChunkBytes; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(buffer.get() + at, &word, sizeof word);
    }
    const std::uint64_t offset = chunk * kChunkBytes;
    const std::uint64_t length = std::min(kChunkBytes, size - offset);
    write_all(fd, path, buffer.get(), length, offset);
    bytes += length;
  }
  if (::fsync(fd) != 0) give_up("cannot flush " + path, errno);
  ::close(fd);
  std::printf("%llu\n", static_cast<unsigned long long>(bytes));
  return 0;
}
