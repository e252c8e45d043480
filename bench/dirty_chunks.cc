// Overwrites chunks of a device or file with random bytes, for scripts/bench-rollback and
// scripts/bench-tracking: no chunk ends up zero, none compresses. The same seed picks the same
// chunks and writes the same bytes.
//
//   dirty_chunks PATH percent P SEED [OPTION VALUE]...   P % of all chunks, picked at random
//   dirty_chunks PATH count N SEED [OPTION VALUE]...     N chunks
//
//   --chunk BYTES      64 KiB when it is left out
//   --content SEED     other bytes in the same chunks
//   --iolog FILE       also writes down which, so that fio can write to them (iolog, version 2)
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

constexpr std::align_val_t kAlignment{4096};

[[noreturn]] void give_up(const std::string& what, int error) {
  std::fprintf(stderr, "dirty_chunks: %s: %s\n", what.c_str(), std::strerror(error));
  std::exit(1);
}

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: dirty_chunks PATH percent|count NUMBER SEED [--chunk BYTES] "
               "[--content SEED] [--iolog FILE]\n");
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
  if (::ioctl(fd, BLKGETSIZE64, &size) != 0) give_up("cannot query the size of " + path, errno);
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

std::uint64_t number_of(const char* text) {
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') usage();
  return number;
}

struct Options {
  std::uint64_t chunk_bytes = 64 * 1024;
  std::uint64_t content = 0;  // the seed of the bytes
  std::string iolog;
};

Options parse_options(int argc, char** argv, int first, std::uint64_t seed) {
  Options options;
  options.content = seed;
  for (int i = first; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage();
    if (name == "--chunk") {
      options.chunk_bytes = number_of(argv[i + 1]);
    } else if (name == "--content") {
      options.content = number_of(argv[i + 1]);
    } else if (name == "--iolog") {
      options.iolog = argv[i + 1];
    } else {
      usage();
    }
  }
  if (options.chunk_bytes == 0 || options.chunk_bytes % 4096 != 0) usage();
  return options;
}

// The operations of a file for `fio --read_iolog`. Nothing when `log` is empty.
class Iolog {
 public:
  Iolog(const std::string& log, const std::string& path) : log_(log), path_(path) {
    if (log.empty()) return;
    file_ = std::fopen(log.c_str(), "w");
    if (file_ == nullptr) give_up("cannot write " + log, errno);
    std::fprintf(file_, "fio version 2 iolog\n%s add\n%s open\n", path.c_str(), path.c_str());
  }
  Iolog(const Iolog&) = delete;
  Iolog& operator=(const Iolog&) = delete;
  ~Iolog() {
    if (file_ == nullptr) return;
    std::fprintf(file_, "%s close\n", path_.c_str());
    if (std::fclose(file_) != 0) give_up("cannot write " + log_, errno);
  }
  void write(std::uint64_t offset, std::uint64_t length) {
    if (file_ == nullptr) return;
    std::fprintf(file_, "%s write %llu %llu\n", path_.c_str(),
                 static_cast<unsigned long long>(offset), static_cast<unsigned long long>(length));
  }

 private:
  const std::string log_;
  const std::string path_;
  std::FILE* file_ = nullptr;
};

struct Free {
  void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) usage();
  const std::string path = argv[1];
  const std::string unit = argv[2];
  char* end = nullptr;
  const double number = std::strtod(argv[3], &end);
  if (*end != '\0' || !(number >= 0)) usage();
  const std::uint64_t seed = number_of(argv[4]);
  const Options options = parse_options(argc, argv, 5, seed);
  const std::uint64_t chunk_bytes = options.chunk_bytes;
  std::mt19937_64 place(seed);
  // Not the numbers that the places are made of.
  std::mt19937_64 content(~options.content);

  const int fd = open_path(path);
  const std::uint64_t size = size_of(fd, path);
  const std::uint64_t chunks = (size + chunk_bytes - 1) / chunk_bytes;
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
      static_cast<std::byte*>(::operator new(chunk_bytes, kAlignment)));
  Iolog iolog(options.iolog, path);
  std::uint64_t bytes = 0;
  for (std::uint64_t chunk = 0; chunk < chunks && wanted > 0; ++chunk) {
    if (place() % (chunks - chunk) >= wanted) continue;
    --wanted;
    for (std::uint64_t at = 0; at < chunk_bytes; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = content();
      std::memcpy(buffer.get() + at, &word, sizeof word);
    }
    const std::uint64_t offset = chunk * chunk_bytes;
    const std::uint64_t length = std::min(chunk_bytes, size - offset);
    write_all(fd, path, buffer.get(), length, offset);
    iolog.write(offset, length);
    bytes += length;
  }
  if (::fsync(fd) != 0) give_up("cannot flush " + path, errno);
  ::close(fd);
  std::printf("%llu\n", static_cast<unsigned long long>(bytes));
  return 0;
}
