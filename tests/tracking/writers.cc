#include "tracking/writers.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "support/simulated_random.h"

namespace blkrewind::tracking {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kWriteMax = 256 * kKiB;
constexpr std::uint64_t kBurst = 64;

// One of the nodes, with both descriptors.
struct Node {
  UniqueFd buffered;
  UniqueFd direct;
  std::uint64_t bytes;

  Node(const std::string& path, std::uint64_t size)
      : buffered(open_node(path, O_RDWR)),
        direct(open_node(path, O_RDWR | O_DIRECT)),
        bytes(size) {}
};

class Writer {
 public:
  Writer(const Stage& stage, std::uint64_t seed)
      : random_(seed),
        sector_(stage.sector_bytes()),
        nodes_{Node(stage.disk(), kDiskBytes), Node(stage.partition(), kPartition.length)},
        bytes_(kWriteMax) {
    if (::io_uring_queue_init(kBurst, &ring_, 0) != 0) has_ring_ = false;
  }
  ~Writer() {
    if (has_ring_) ::io_uring_queue_exit(&ring_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Returns the number of bytes changed.
  std::uint64_t write_once() {
    for (std::uint64_t i = 0; i < 32; ++i) {
      const std::uint64_t word = random_.next();
      std::memcpy(bytes_.data() + random_.below(kWriteMax / 8) * 8, &word, sizeof word);
    }
    const std::uint64_t word = random_.next();  // at the front, where the short ones start
    std::memcpy(bytes_.data(), &word, sizeof word);
    const Node& node = nodes_[random_.below(2)];
    const std::uint64_t sectors_max = random_.percent(85) ? 16 : kWriteMax / kSector;
    const std::uint64_t length = align_up((1 + random_.below(sectors_max)) * kSector, sector_);
    const std::uint64_t how = random_.below(16);
    const std::uint64_t at = place_for(node, length, how >= kFirstDirect);
    std::array<std::uint64_t, 2> range = {at, length};
    const auto offset = static_cast<off_t>(at);
    switch (how) {
      case 0:
        return ::ioctl(node.buffered.get(), BLKDISCARD, range.data()) == 0 ? length : 0;
      case 1:
        return ::ioctl(node.buffered.get(), BLKZEROOUT, range.data()) == 0 ? length : 0;
      case 2:
        return ::fallocate(node.buffered.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                           static_cast<off_t>(length)) == 0
                   ? length
                   : 0;
      case 3:
        return put_by_memory(node.buffered.get(), at);
      case 4:
        ::fdatasync(node.buffered.get());
        return 0;
      case 5:
      case 6:
      case 7:
      case 8:
        return put(node.buffered.get(), length, offset, 0);
      case 9:
        return put(node.buffered.get(), length, offset, RWF_DSYNC);
      case 10:
        if (has_ring_) return burst(node);
        [[fallthrough]];
      default:
        return put(node.direct.get(), length, offset, random_.percent(10) ? RWF_DSYNC : 0);
    }
  }

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }

 private:
  static constexpr std::uint64_t kFirstDirect = 10;

  // Many at once, so that at least the last of them is in flight for long.
  std::uint64_t burst(const Node& node) {
    const std::uint64_t count = 1 + random_.below(kBurst);
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t length = align_up((1 + random_.below(64)) * kSector, sector_);
      io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
      ::io_uring_prep_write(entry, node.direct.get(), bytes_.data() + i * kSector,
                            static_cast<unsigned>(length), place_for(node, length, true));
      sum += length;
    }
    if (::io_uring_submit_and_wait(&ring_, static_cast<unsigned>(count)) !=
        static_cast<int>(count)) {
      throw std::runtime_error("io_uring_submit");
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      io_uring_cqe* completion = nullptr;
      if (::io_uring_wait_cqe(&ring_, &completion) != 0 || completion->res < 0) {
        throw std::runtime_error("io_uring");
      }
      ::io_uring_cqe_seen(&ring_, completion);
    }
    return sum;
  }

  // If pages are dirtied while another process writes to them directly, the kernel makes the next
  // flush fail. Each writer therefore mostly uses every other MiB of a node.
  std::uint64_t place_for(const Node& node, std::uint64_t length, bool direct) {
    return align_down(any_place_for(node, length, direct), sector_);
  }

  std::uint64_t any_place_for(const Node& node, std::uint64_t length, bool direct) {
    const std::uint64_t at = random_.below((node.bytes - length) / kSector + 1) * kSector;
    if (random_.below(1000) == 0) return at;
    const std::uint64_t zone = (at / kMiB & ~std::uint64_t{1}) + (direct ? 1 : 0);
    const std::uint64_t moved = zone * kMiB + at % (kMiB - length + kSector) / kSector * kSector;
    return moved + length <= node.bytes ? moved : at;
  }

  // Mapped for this write only, because the engine refuses a device with mapped pages.
  std::uint64_t put_by_memory(int fd, std::uint64_t at) {
    constexpr std::uint64_t kPage = 4 * kKiB;
    void* const page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                              static_cast<off_t>(align_down(at, kPage)));
    if (page == MAP_FAILED) fail_with_errno("mmap");
    std::memcpy(static_cast<std::byte*>(page) + at % kPage, bytes_.data(), kSector);
    ::munmap(page, kPage);
    return kSector;
  }

  std::uint64_t put(int fd, std::uint64_t length, off_t offset, int flags) {
    const iovec part{bytes_.data(), length};
    const ssize_t put = ::pwritev2(fd, &part, 1, offset, flags);
    // The flush was refused for the reason above; the data is written nevertheless.
    if (put < 0 && errno == EIO && flags != 0) return length;
    if (put != static_cast<ssize_t>(length)) fail_with_errno("write");
    return length;
  }

  sim::Random random_;
  const std::uint64_t sector_;
  std::array<Node, 2> nodes_;
  AlignedBuffer bytes_;
  io_uring ring_{};
  bool has_ring_ = true;
};

}  // namespace

Writers::Writers(const Stage& stage, std::uint64_t seed, unsigned count) {
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail_with_errno("mmap");
  shared_ = new (memory) Shared;
  shared_->turn = 1;
  const pid_t parent = ::getpid();
  for (unsigned number = 0; number < count; ++number) {
    const pid_t child = ::fork();
    if (child < 0) fail_with_errno("fork");
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      write_on(stage, seed * 1000 + number, number);
    }
    processes_.push_back(child);
  }
}

Writers::~Writers() {
  for (const pid_t process : processes_) {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
  ::munmap(shared_, sizeof(Shared));
}

void Writers::write_on(const Stage& stage, std::uint64_t seed, unsigned number) const {
  try {
    Writer writer(stage, seed);
    while (true) {
      const std::uint32_t turn = shared_->turn.load();
      shared_->seen[number].store(turn);
      if (turn % 2 == 1) {
        ::usleep(50);
        continue;
      }
      shared_->bytes[number] += writer.write_once();
      ++shared_->writes[number];
      if (const std::uint32_t idle = shared_->idle.load(); idle != 0) {
        ::usleep(static_cast<unsigned>(writer.below(idle)));
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "writer %u: %s\n", number, error.what());
  }
  ::_exit(1);
}

void Writers::pause() {
  if (shared_->turn.load() % 2 == 0) ++shared_->turn;
  for (unsigned number = 0; number < processes_.size(); ++number) {
    while (shared_->seen[number].load() != shared_->turn.load()) {
      if (::waitpid(processes_[number], nullptr, WNOHANG) != 0) {
        throw std::runtime_error("a writer has ended");
      }
      ::usleep(20);
    }
  }
}

void Writers::go_on() {
  if (shared_->turn.load() % 2 == 1) ++shared_->turn;
}

void Writers::set_idle_microseconds(std::uint32_t most) { shared_->idle = most; }

std::uint64_t Writers::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& bytes : shared_->bytes) sum += bytes;
  return sum;
}

std::uint64_t Writers::writes() const {
  std::uint64_t sum = 0;
  for (const auto& writes : shared_->writes) sum += writes;
  return sum;
}

}  // namespace blkrewind::tracking
