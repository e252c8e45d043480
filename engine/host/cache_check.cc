#include "host/cache_check.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/aligned_buffer.h"
#include "base/fd.h"

namespace blkrewind::host {
namespace {

constexpr std::uint64_t kWindowBytes = 256 * kMiB;

std::uint64_t page_bytes() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

// cachestat(2), since Linux 6.5; the headers of current libcs do not have it.
constexpr long kSysCachestat = 451;
struct CachestatRange {
  std::uint64_t offset;
  std::uint64_t length;
};
struct Cachestat {
  std::uint64_t cached;
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

bool surely_has_none(int fd, const Extent& range) {
  CachestatRange asked = {range.offset, range.length};
  Cachestat stat = {};
  return ::syscall(kSysCachestat, fd, &asked, &stat, 0) == 0 && stat.cached == 0;
}

class PageMap {
 public:
  PageMap(int fd, const Extent& extent) : length_(extent.length) {
    address_ =
        ::mmap(nullptr, length_, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(extent.offset));
  }
  ~PageMap() {
    if (valid()) ::munmap(address_, length_);
  }
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;
  [[nodiscard]] bool valid() const { return address_ != MAP_FAILED; }
  // One byte per page, whose lowest bit means cached. Touches no page.
  [[nodiscard]] bool look(std::vector<unsigned char>& pages) const {
    return ::mincore(address_, length_, pages.data()) == 0;
  }

 private:
  std::size_t length_;
  void* address_;
};

Result<std::uint64_t> read_at(int fd, std::uint64_t offset, std::span<std::byte> buffer) {
  while (true) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::uint64_t>(got);
    if (errno == EINTR) continue;
    return tl::unexpected(
        system_error(errno, "cannot read to compare").at({offset, buffer.size()}));
  }
}

}  // namespace

void drop_cache(int fd) {
  // The first call needs CAP_SYS_ADMIN and also drops pages on their way into a list
  // (lru_add_drain_all); the second needs no privilege. cached_pages() finds pages that neither
  // drops.
  (void)::ioctl(fd, BLKFLSBUF, 0);
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

Result<std::vector<std::uint64_t>> cached_pages(int fd, const Extent& range) {
  std::vector<std::uint64_t> found;
  if (range.empty() || surely_has_none(fd, range)) return found;
  const std::uint64_t page = page_bytes();
  std::vector<unsigned char> marks(kWindowBytes / page);
  const std::uint64_t end = align_up(range.end(), page);
  for (std::uint64_t at = align_down(range.offset, page); at < end; at += kWindowBytes) {
    const std::uint64_t length = std::min(kWindowBytes, end - at);
    if (surely_has_none(fd, {at, length})) continue;
    const PageMap mapping(fd, {at, length});
    if (!mapping.valid() || !mapping.look(marks)) {
      return tl::unexpected(system_error(errno, "the kernel does not report what is cached"));
    }
    for (std::uint64_t i = 0; i < length / page; ++i) {
      if ((marks[i] & 1U) == 0) continue;
      found.push_back(at + i * page);
      if (found.size() == kCachedPagesMax) return found;
    }
  }
  return found;
}

Result<std::optional<Extent>> first_stale_page(int fd, const std::vector<std::uint64_t>& pages) {
  if (pages.empty()) return std::optional<Extent>{};
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  const UniqueFd direct(::open(self.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
  const UniqueFd buffered(::open(self.c_str(), O_RDONLY | O_CLOEXEC));
  if (!direct.valid() || !buffered.valid()) {
    return tl::unexpected(system_error(errno, "cannot open it again to compare"));
  }
  const std::uint64_t page = page_bytes();
  AlignedBuffer medium(page);
  AlignedBuffer cached(page);
  for (const std::uint64_t at : pages) {
    BLKREWIND_ASSIGN(const auto first, read_at(buffered.get(), at, cached.span()));
    BLKREWIND_ASSIGN(const auto second, read_at(direct.get(), at, medium.span()));
    const std::uint64_t length = std::min(first, second);
    if (std::memcmp(medium.data(), cached.data(), length) != 0) {
      return std::optional<Extent>({at, length});
    }
  }
  return std::optional<Extent>{};
}

}  // namespace blkrewind::host
