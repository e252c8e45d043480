// Compares two files block by block, for scripts/bench-tracking:
//
//   compare_blocks ONE TWO BYTES...
//
// Prints one JSON object: for each size of a block, how many bytes lie in blocks that differ. The
// files are of one length. Standard library and Linux only.
#include <fcntl.h>
#include <sys/mman.h>
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

struct Content {
  const char* data = nullptr;
  std::uint64_t length = 0;
};

// Mapped until the process ends.
Content map_file(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) give_up("open", path);
  const auto length = static_cast<std::uint64_t>(status.st_size);
  void* data = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) give_up("map", path);
  return {static_cast<const char*>(data), length};
}

std::uint64_t differing(const Content& one, const Content& two, std::uint64_t block) {
  std::uint64_t bytes = 0;
  for (std::uint64_t at = 0; at < one.length; at += block) {
    const std::uint64_t length = std::min(block, one.length - at);
    if (std::memcmp(one.data + at, two.data + at, length) != 0) bytes += length;
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::uint64_t> blocks;
  for (int i = 3; i < argc; ++i) blocks.push_back(std::strtoull(argv[i], nullptr, 10));
  if (blocks.empty() || std::find(blocks.begin(), blocks.end(), 0) != blocks.end()) {
    std::fprintf(stderr, "usage: compare_blocks ONE TWO BYTES...\n");
    return 2;
  }
  const Content one = map_file(argv[1]);
  const Content two = map_file(argv[2]);
  if (one.length != two.length) {
    std::fprintf(stderr, "compare_blocks: %s and %s are not of one length\n", argv[1], argv[2]);
    return 1;
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    std::printf("%s\"%llu\": %llu", i == 0 ? "{" : ", ", static_cast<unsigned long long>(blocks[i]),
                static_cast<unsigned long long>(differing(one, two, blocks[i])));
  }
  std::printf("}\n");
  return 0;
}
