// Compares two files block by block, for scripts/bench-tracking:
//
//   compare_blocks ONE TWO BYTES...
//
// Prints one JSON object: for each size of a block, a power of two up to 1 MiB, how many bytes
// lie in blocks that differ. The files are of one length. Standard library and Linux only.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

[[noreturn]] void give_up(const char* what, const char* path) {
  std::fprintf(stderr, "compare_blocks: cannot %s %s: %s\n", what, path, std::strerror(errno));
  std::exit(1);
}

class File {
 public:
  explicit File(const char* path) : path_(path), fd_(::open(path, O_RDONLY | O_CLOEXEC)) {
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0) give_up("open", path);
    length_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] std::uint64_t length() const { return length_; }
  void read(std::vector<char>& into, std::uint64_t offset) const {
    for (std::size_t done = 0; done < into.size();) {
      const ssize_t got =
          ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got <= 0) give_up("read", path_);
      done += static_cast<std::size_t>(got);
    }
  }

 private:
  const char* path_;
  int fd_;
  std::uint64_t length_ = 0;
};

// Bytes of the blocks that differ.
std::uint64_t differing(const std::vector<char>& one, const std::vector<char>& two,
                        std::uint64_t block) {
  std::uint64_t bytes = 0;
  for (std::uint64_t at = 0; at < one.size(); at += block) {
    const std::uint64_t length = std::min<std::uint64_t>(block, one.size() - at);
    if (std::memcmp(one.data() + at, two.data() + at, length) != 0) bytes += length;
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::uint64_t kPiece = 1024 * 1024;
  std::vector<std::uint64_t> blocks;
  for (int i = 3; i < argc; ++i) blocks.push_back(std::strtoull(argv[i], nullptr, 10));
  if (blocks.empty() || !std::all_of(blocks.begin(), blocks.end(), [](std::uint64_t block) {
        return block != 0 && kPiece % block == 0;
      })) {
    std::fprintf(stderr, "usage: compare_blocks ONE TWO BYTES...\n");
    return 2;
  }
  const File one(argv[1]);
  const File two(argv[2]);
  if (one.length() != two.length()) {
    std::fprintf(stderr, "compare_blocks: %s and %s are not of one length\n", argv[1], argv[2]);
    return 1;
  }
  std::vector<char> left;
  std::vector<char> right;
  std::vector<std::uint64_t> bytes(blocks.size());
  for (std::uint64_t at = 0; at < one.length(); at += kPiece) {
    left.resize(std::min(kPiece, one.length() - at));
    right.resize(left.size());
    one.read(left, at);
    two.read(right, at);
    if (left == right) continue;
    for (std::size_t i = 0; i < blocks.size(); ++i) bytes[i] += differing(left, right, blocks[i]);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::printf("%s\"%llu\": %llu", i == 0 ? "{" : ", ", static_cast<unsigned long long>(blocks[i]),
                static_cast<unsigned long long>(bytes[i]));
  }
  std::printf("}\n");
  return 0;
}
