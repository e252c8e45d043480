// Every way of writing to a device sets its dirty bits.
#ifdef BLKREWIND_PROGRAM

#include <liburing.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "system/probe_fixture.h"
#include "system/tracking_fixture.h"
#include "track/bitmap/generations.h"
#include "track/bitmap/kernel_program.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kChunk = kDefaultChunkBytes;
constexpr std::uint64_t kDeviceBytes = 16 * kMiB + 20 * kKiB;  // the last chunk is a short one

// This kernel, or this device, does not support it.
struct Refused {
  std::string why;
};

struct Place {
  std::string device;
  std::string file;  // with more noise than is written anywhere
};

struct Way {
  const char* name;
  std::vector<Extent> (*write)(const Place&);  // returns the extent that it wrote
};

// Only direct I/O writes single sectors of 512 bytes; writes through a cache are whole pages.
[[nodiscard]] Extent pages_of(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = offset / 4096 * 4096;
  return {first, align_up(offset + length, 4096) - first};
}

AlignedBuffer noise(std::uint64_t length) {
  AlignedBuffer buffer(length);
  for (std::uint64_t i = 0; i < length; ++i) {
    buffer.data()[i] = static_cast<std::byte>(1 + i * 7 % 251);
  }
  return buffer;
}

void need(bool done, const std::string& what) {
  if (!done) throw std::runtime_error(what + ": " + std::strerror(errno));
}

void need_or_refuse(bool done, const std::string& what) {
  if (done) return;
  if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS || errno == EXDEV) {
    throw Refused{what + ": " + std::strerror(errno)};
  }
  need(false, what);
}

void put(int fd, std::uint64_t offset, std::uint64_t length) {
  const AlignedBuffer bytes = noise(length);
  need(::pwrite(fd, bytes.data(), length, static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(length),
       "pwrite");
}

std::vector<Extent> buffered(const Place& place) {
  const UniqueFd fd = opened(place.device, O_WRONLY);
  put(fd.get(), 3 * kChunk + 777, 100);
  put(fd.get(), 9 * kChunk - 5, 10);  // two chunks
  put(fd.get(), 20 * kChunk + 1, kMiB);
  put(fd.get(), kDeviceBytes - 1, 1);
  need(::fsync(fd.get()) == 0, "fsync");
  return {pages_of(3 * kChunk + 777, 100), pages_of(9 * kChunk - 5, 10),
          pages_of(20 * kChunk + 1, kMiB), pages_of(kDeviceBytes - 1, 1)};
}

std::vector<Extent> buffered_and_not_flushed(const Place& place) {
  put(opened(place.device, O_WRONLY).get(), 5 * kChunk, 10);
  const UniqueFd still_open = opened(place.device, O_WRONLY);
  put(still_open.get(), 7 * kChunk + 12, 3 * kChunk);
  return {pages_of(5 * kChunk, 10), pages_of(7 * kChunk + 12, 3 * kChunk)};
}

std::vector<Extent> by_a_process_that_dies(const Place& place) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(place.device.c_str(), O_WRONLY | O_CLOEXEC);
    if (::pwrite(fd, "dying", 5, 6 * kChunk + 40) != 5) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  need(child > 0 && ::waitpid(child, nullptr, 0) == child, "fork");
  return {pages_of(6 * kChunk + 40, 5)};
}

std::vector<Extent> direct(const Place& place) {
  const UniqueFd fd = opened(place.device, O_WRONLY | O_DIRECT);
  put(fd.get(), 4 * kChunk + 512, 512);
  put(fd.get(), 11 * kChunk - 4096, 8192);
  put(fd.get(), 30 * kChunk + 1024, 2 * kMiB);
  put(fd.get(), kDeviceBytes - 512, 512);
  return {{4 * kChunk + 512, 512},
          {11 * kChunk - 4096, 8192},
          {30 * kChunk + 1024, 2 * kMiB},
          {kDeviceBytes - 512, 512}};
}

std::vector<Extent> vectored(const Place& place, int flags, int how, std::uint64_t offset) {
  const UniqueFd fd = opened(place.device, O_WRONLY | flags);
  AlignedBuffer one = noise(4096);
  AlignedBuffer two = noise(8192);
  const std::array<iovec, 2> parts = {{{one.data(), one.size()}, {two.data(), two.size()}}};
  need_or_refuse(::pwritev2(fd.get(), parts.data(), 2, static_cast<off_t>(offset), how) == 12288,
                 "pwritev2");
  return {{offset, 12288}};
}

std::vector<Extent> durable_vectors(const Place& place) {
  return vectored(place, 0, RWF_DSYNC, 13 * kChunk - 4096);
}
std::vector<Extent> durable_direct_vectors(const Place& place) {
  return vectored(place, O_DIRECT, RWF_DSYNC, 17 * kChunk);
}
std::vector<Extent> polled_vectors(const Place& place) {
  return vectored(place, O_DIRECT, RWF_HIPRI, 18 * kChunk);
}

// `synced`: by msync(); otherwise the next operation has to write it back.
std::vector<Extent> mapped(const Place& place, bool synced) {
  const UniqueFd fd = opened(place.device, O_RDWR);
  constexpr std::uint64_t kLength = 4 * kChunk;
  constexpr std::uint64_t kOffset = 40 * kChunk;
  void* const memory =
      ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), kOffset);
  need(memory != MAP_FAILED, "mmap");
  auto* const bytes = static_cast<char*>(memory);
  bytes[10] = 'a';
  bytes[2 * kChunk + 5] = 'b';
  if (synced) {
    need(::msync(memory, kLength, MS_SYNC) == 0, "msync");
    bytes[3 * kChunk + 9] = 'c';  // dirty again, after it was clean
    need(::msync(memory, kLength, MS_SYNC) == 0, "msync");
  }
  ::munmap(memory, kLength);
  std::vector<Extent> where = {pages_of(kOffset + 10, 1), pages_of(kOffset + 2 * kChunk + 5, 1)};
  if (synced) where.push_back(pages_of(kOffset + 3 * kChunk + 9, 1));
  return where;
}
std::vector<Extent> mapped_and_synced(const Place& place) { return mapped(place, true); }
std::vector<Extent> mapped_and_left(const Place& place) { return mapped(place, false); }

std::vector<Extent> ring(const Place& place, int flags, std::uint64_t offset, bool fixed) {
  const UniqueFd fd = opened(place.device, O_RDWR | flags);
  struct Ring {
    io_uring ring{};
    int error = ::io_uring_queue_init(8, &ring, 0);
    ~Ring() {
      if (error == 0) ::io_uring_queue_exit(&ring);
    }
  } uring;
  if (uring.error != 0) throw Refused{std::string("io_uring: ") + std::strerror(-uring.error)};
  AlignedBuffer bytes = noise(2 * kChunk);
  const iovec registered{bytes.data(), bytes.size()};
  if (fixed) {
    need(::io_uring_register_buffers(&uring.ring, &registered, 1) == 0, "register buffers");
  }
  std::vector<Extent> where;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const Extent extent{offset + i * 3 * kChunk, 2 * kChunk - 4096};
    io_uring_sqe* const entry = ::io_uring_get_sqe(&uring.ring);
    const auto length = static_cast<unsigned>(extent.length);
    if (fixed) {
      ::io_uring_prep_write_fixed(entry, fd.get(), bytes.data(), length, extent.offset, 0);
    } else {
      ::io_uring_prep_write(entry, fd.get(), bytes.data(), length, extent.offset);
    }
    if (i % 2 == 1) ::io_uring_sqe_set_flags(entry, IOSQE_ASYNC);  // by a thread of the kernel
    where.push_back(extent);
  }
  need(::io_uring_submit_and_wait(&uring.ring, 4) == 4, "submit");
  for (int i = 0; i < 4; ++i) {
    io_uring_cqe* completion = nullptr;
    need(::io_uring_wait_cqe(&uring.ring, &completion) == 0, "wait");
    need(completion->res == static_cast<int>(2 * kChunk - 4096), "io_uring write");
    ::io_uring_cqe_seen(&uring.ring, completion);
  }
  return where;
}
std::vector<Extent> ring_buffered(const Place& place) { return ring(place, 0, 50 * kChunk, false); }
std::vector<Extent> ring_direct(const Place& place) {
  return ring(place, O_DIRECT, 70 * kChunk, false);
}
std::vector<Extent> ring_fixed(const Place& place) {
  return ring(place, O_DIRECT, 90 * kChunk, true);
}

std::vector<Extent> ring_zeroes(const Place& place) {
  const UniqueFd fd = opened(place.device, O_RDWR);
  io_uring uring{};
  if (::io_uring_queue_init(2, &uring, 0) != 0) throw Refused{"io_uring"};
  io_uring_sqe* const entry = ::io_uring_get_sqe(&uring);
  ::io_uring_prep_fallocate(entry, fd.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                            33 * kChunk, 2 * kChunk);
  io_uring_cqe* completion = nullptr;
  int result = -1;
  if (::io_uring_submit(&uring) == 1 && ::io_uring_wait_cqe(&uring, &completion) == 0) {
    result = completion->res;
  }
  ::io_uring_queue_exit(&uring);
  errno = -result;
  need_or_refuse(result == 0, "IORING_OP_FALLOCATE");
  return {{33 * kChunk, 2 * kChunk}};
}

std::vector<Extent> spliced(const Place& place) {
  const UniqueFd fd = opened(place.device, O_WRONLY);
  const UniqueFd source = opened(place.file, O_RDONLY);
  std::array<int, 2> ends{};
  need(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe");
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  loff_t to = 25 * kChunk;
  for (std::uint64_t left = kChunk; left > 0;) {
    const ssize_t got = ::splice(source.get(), nullptr, in.get(), nullptr, left, 0);
    need_or_refuse(got > 0, "splice into a pipe");
    for (ssize_t rest = got; rest > 0;) {
      const ssize_t gone =
          ::splice(out.get(), nullptr, fd.get(), &to, static_cast<std::size_t>(rest), 0);
      need_or_refuse(gone > 0, "splice to the device");
      rest -= gone;
    }
    left -= static_cast<std::uint64_t>(got);
  }
  need(::fsync(fd.get()) == 0, "fsync");
  return {{25 * kChunk, kChunk}};
}

std::vector<Extent> sent(const Place& place) {
  const UniqueFd fd = opened(place.device, O_WRONLY);
  const UniqueFd source = opened(place.file, O_RDONLY);
  need(::lseek(fd.get(), 27 * kChunk, SEEK_SET) >= 0, "seek");
  for (std::uint64_t left = 2 * kChunk; left > 0;) {
    const ssize_t got = ::sendfile(fd.get(), source.get(), nullptr, left);
    need_or_refuse(got > 0, "sendfile");
    left -= static_cast<std::uint64_t>(got);
  }
  return {{27 * kChunk, 2 * kChunk}};
}

std::vector<Extent> copied(const Place& place) {
  const UniqueFd fd = opened(place.device, O_WRONLY);
  const UniqueFd source = opened(place.file, O_RDONLY);
  loff_t from = 0;
  loff_t to = 31 * kChunk;
  need_or_refuse(::copy_file_range(source.get(), &from, fd.get(), &to, kChunk, 0) ==
                     static_cast<ssize_t>(kChunk),
                 "copy_file_range");
  return {{31 * kChunk, kChunk}};
}

std::vector<Extent> ranged(const Place& place, unsigned long request, const char* name,
                           std::vector<Extent> where) {
  const UniqueFd fd = opened(place.device, O_RDWR);
  for (const Extent& extent : where) {
    std::array<std::uint64_t, 2> range = {extent.offset, extent.length};
    need_or_refuse(::ioctl(fd.get(), request, range.data()) == 0, name);
  }
  return where;
}
std::vector<Extent> discarded(const Place& place) {
  return ranged(
      place, BLKDISCARD, "BLKDISCARD",
      {{2 * kChunk, kChunk}, {60 * kChunk + 4096, 4 * kMiB}, {kDeviceBytes - 4096, 4096}});
}
std::vector<Extent> all_discarded(const Place& place) {
  return ranged(place, BLKDISCARD, "BLKDISCARD", {{0, kDeviceBytes}});
}
std::vector<Extent> securely_discarded(const Place& place) {
  return ranged(place, BLKSECDISCARD, "BLKSECDISCARD", {{2 * kChunk, kChunk}});
}
std::vector<Extent> zeroed(const Place& place) {
  return ranged(place, BLKZEROOUT, "BLKZEROOUT",
                {{14 * kChunk + 512, 1024}, {80 * kChunk - 512, 3 * kMiB}});
}

std::vector<Extent> allocated(const Place& place, int mode, std::vector<Extent> where) {
  const UniqueFd fd = opened(place.device, O_RDWR);
  for (const Extent& extent : where) {
    need_or_refuse(
        ::fallocate(fd.get(), mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(extent.offset),
                    static_cast<off_t>(extent.length)) == 0,
        "fallocate " + std::to_string(mode));
  }
  return where;
}
std::vector<Extent> punched(const Place& place) {
  return allocated(place, FALLOC_FL_PUNCH_HOLE,
                   {{16 * kChunk, kChunk}, {100 * kChunk - 4096, kMiB}});
}
std::vector<Extent> zero_ranged(const Place& place) {
  return allocated(place, FALLOC_FL_ZERO_RANGE,
                   {{19 * kChunk, 2 * kChunk}, {kDeviceBytes - 8192, 4096}});
}
std::vector<Extent> punched_without_zeroes(const Place& place) {
  return allocated(place, FALLOC_FL_PUNCH_HOLE | 0x04 /* NO_HIDE_STALE */, {{22 * kChunk, kChunk}});
}

// Several at once on one chunk and its neighbours.
std::vector<Extent> one_after_another(const Place& place) {
  std::vector<Extent> where;
  for (const auto way : {direct, discarded, punched, buffered, zeroed}) {
    for (const Extent& extent : way(place)) where.push_back(extent);
  }
  return where;
}

class TrackingWays : public TrackedSystem, public ::testing::WithParamInterface<Way> {};

TEST_P(TrackingWays, AreMarkedAndNothingElseIs) {
  const LoopDevice disk = make_disk("disk.img", kDeviceBytes);
  write_noise(disk.path(), 0, kDeviceBytes, 1);
  write_noise(file("source"), 0, kMiB, 2);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  ASSERT_EQ(marked(), Chunks());
  Chunks written;
  try {
    written = chunks_of(GetParam().write({disk.path(), file("source")}), kChunk);
  } catch (const Refused& refused) {
    EXPECT_EQ(changed(), Chunks());
    GTEST_SKIP() << GetParam().name << " is not possible here: " << refused.why;
  }
  const Chunks marks = expect_nothing_missed();
  EXPECT_EQ(marks, written);
  EXPECT_NE(changed(), Chunks());
  expect_rolls_back();
}

INSTANTIATE_TEST_SUITE_P(
    All, TrackingWays,
    ::testing::Values(
        Way{"Buffered", buffered}, Way{"NotFlushed", buffered_and_not_flushed},
        Way{"DyingProcess", by_a_process_that_dies}, Way{"Direct", direct},
        Way{"DurableVectors", durable_vectors}, Way{"DurableDirectVectors", durable_direct_vectors},
        Way{"PolledVectors", polled_vectors}, Way{"Mapped", mapped_and_synced},
        Way{"MappedAndLeft", mapped_and_left}, Way{"Ring", ring_buffered},
        Way{"RingDirect", ring_direct}, Way{"RingFixed", ring_fixed},
        Way{"RingZeroes", ring_zeroes}, Way{"Splice", spliced}, Way{"Sendfile", sent},
        Way{"CopyFileRange", copied}, Way{"Discard", discarded}, Way{"DiscardOfAll", all_discarded},
        Way{"SecureDiscard", securely_discarded}, Way{"ZeroOut", zeroed}, Way{"PunchHole", punched},
        Way{"ZeroRange", zero_ranged}, Way{"PunchWithoutZeroes", punched_without_zeroes},
        Way{"OneAfterAnother", one_after_another}),
    [](const auto& way) { return std::string(way.param.name); });

// Layers between the writer and the device.
class TrackingThrough : public TrackedSystem {
 protected:
  static constexpr std::uint64_t kBytes = 64 * kMiB;

  static Extent place_of(const std::string& partition) {
    const std::string folder = "/sys/class/block/" + partition.substr(partition.rfind('/') + 1);
    std::uint64_t start = 0;
    std::uint64_t size = 0;
    std::ifstream(folder + "/start") >> start;
    std::ifstream(folder + "/size") >> size;
    return {start * 512, size * 512};
  }
};

TEST_F(TrackingThrough, APartitionTheWholeDiskBeingTracked) {
  const LoopDevice disk = make_disk("disk.img", kBytes);
  const TwoPartitions partitions(disk.path());
  write_noise(partitions.path(1), 0, 24 * kMiB, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const Extent place = place_of(partitions.path(1));
  const Extent second = place_of(partitions.path(2));
  put(opened(partitions.path(1), O_WRONLY | O_DIRECT).get(), 512, 512);
  put(opened(partitions.path(1), O_WRONLY | O_DIRECT).get(), place.length - 4096, 4096);
  put(opened(partitions.path(2), O_WRONLY).get(), 5 * kMiB + 7, 100000);
  ranged({partitions.path(2), {}}, BLKDISCARD, "BLKDISCARD", {{0, kMiB}});
  // Each node has its own cache; dirty pages of this one are not on the disk yet.
  flush_node(partitions.path(2));
  EXPECT_EQ(expect_nothing_missed(), chunks_of({{place.offset + 512, 512},
                                                {place.end() - 4096, 4096},
                                                pages_of(second.offset + 5 * kMiB + 7, 100000),
                                                {second.offset, kMiB}},
                                               kChunk));
  expect_rolls_back();
}

TEST_F(TrackingThrough, TheWholeDiskAPartitionBeingTracked) {
  const LoopDevice disk = make_disk("disk.img", kBytes);
  const TwoPartitions partitions(disk.path());
  write_noise(partitions.path(2), 0, 24 * kMiB, 1);
  if (!track(partitions.path(2))) GTEST_SKIP() << why_;
  const Extent place = place_of(path_);
  const UniqueFd whole = opened(disk.path(), O_RDWR | O_DIRECT);
  const UniqueFd other = opened(partitions.path(1), O_RDWR | O_DIRECT);
  // Beside it: it is not affected.
  put(whole.get(), place.offset - 4096, 4096);
  put(whole.get(), place.end(), 4096);
  put(other.get(), place_of(partitions.path(1)).length - 512, 512);
  EXPECT_EQ(expect_nothing_missed(), Chunks());
  // Over both of its ends, and in the middle.
  put(whole.get(), place.offset - 4096, 8192);
  put(whole.get(), place.end() - 512, 1024);
  put(whole.get(), place.offset + 10 * kMiB - 512, 1024);
  const Chunks edges =
      chunks_of({{0, 4096}, {place.length - 512, 512}, {10 * kMiB - 512, 1024}}, kChunk);
  EXPECT_EQ(expect_nothing_missed(), edges);
  // Around all of it.
  std::array<std::uint64_t, 2> range = {place.offset - kMiB, place.length + 2 * kMiB};
  ASSERT_EQ(::ioctl(whole.get(), BLKZEROOUT, range.data()), 0);
  EXPECT_EQ(expect_nothing_missed(), chunks_of({{0, place.length}}, kChunk));
  expect_rolls_back();
}

TEST_F(TrackingThrough, ALoopDeviceOnTopOfIt) {
  const LoopDevice disk = make_disk("disk.img", kBytes);
  write_noise(disk.path(), 0, kBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  for (const bool direct_io : {false, true}) {
    SCOPED_TRACE(direct_io ? "direct" : "through the cache");
    {
      LoopDevice upper =
          LoopDevice::make(disk.path(), kBytes, 512, {.read_only = false, .direct_io = direct_io});
      const UniqueFd fd = opened(upper.path(), O_RDWR);
      put(fd.get(), 2 * kMiB + 3, 10000);
      std::array<std::uint64_t, 2> range = {8 * kMiB, kMiB};
      static_cast<void>(::ioctl(fd.get(), BLKDISCARD, range.data()));
      range = {12 * kMiB, kMiB};
      ASSERT_EQ(::ioctl(fd.get(), BLKZEROOUT, range.data()), 0);
      ASSERT_EQ(::fsync(fd.get()), 0);
    }
    flush_node(disk.path());
    const Chunks marks = expect_nothing_missed();
    for (const std::uint64_t chunk :
         chunks_of({{2 * kMiB + 3, 10000}, {12 * kMiB, kMiB}}, kChunk)) {
      EXPECT_TRUE(marks.contains(chunk)) << chunk;
    }
    EXPECT_LE(marks.size(), 3 * kMiB / kChunk);
    expect_rolls_back();
  }
}

// Data of another process in the device's cache is written by the flush of an operation: submitted
// by that operation, but not its own.
TEST_F(TrackingThrough, TheFlushOfAnOperationThatWritesItself) {
  const LoopDevice disk = make_disk("disk.img", kBytes);
  write_noise(disk.path(), 0, kBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const auto tracker = track::find_bitmap(tracked());
  ASSERT_TRUE(tracker && *tracker);
  const std::string base = base_snapshot();
  const auto why = (*tracker)->begin(base, track::TrackUse::kWrite);
  ASSERT_TRUE(why && !*why);
  {
    // Kept open, because closing it would flush.
    const UniqueFd own = opened(path_, O_RDWR | O_DIRECT);
    by_a_process_that_dies({path_, {}});
    ASSERT_EQ(::pwrite(own.get(), copy_.data() + 9 * kChunk, kChunk, 9 * kChunk),
              static_cast<ssize_t>(kChunk));
    ASSERT_EQ(::fsync(own.get()), 0);
  }
  (*tracker)->wrote(kChunk);
  ASSERT_TRUE((*tracker)->prepare(base, track::Collected::kDropped));
  ASSERT_TRUE((*tracker)->commit());
  EXPECT_EQ(changed(), Chunks{6});
  EXPECT_TRUE(expect_nothing_missed().contains(6));
  expect_rolls_back();
}

// Writers are blocked until the destructor.
class Frozen {
 public:
  explicit Frozen(const std::string& root) : root_(opened(root, O_RDONLY | O_DIRECTORY)) {
    need(::ioctl(root_.get(), FIFREEZE, 0) == 0, "freeze " + root);
  }
  ~Frozen() { static_cast<void>(::ioctl(root_.get(), FITHAW, 0)); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  UniqueFd root_;
};

// Its dirty bit was set before the operation started, and its bytes are written afterwards: the
// operation reads the old content.
TEST_F(TrackingThrough, AWriteUnderWayWhileTheBaseMoves) {
  const LoopDevice lower = make_disk("lower.img", 256 * kMiB);
  run_program({"mkfs.ext4", "-q", "-F", lower.path()});
  const Mount mount(lower.path(), make_directory("mount"), "ext4");
  const LoopDevice disk = LoopDevice::make(mount.path() + "/disk.img", kBytes);
  write_noise(disk.path(), 0, kBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  const auto program = track::KernelProgram::find(tracked().disk_id);
  ASSERT_TRUE(program && *program);
  // Not by the tracker, which would flush, and that would wait for the write.
  track::Generations generations((*program)->control(), (*program)->bits());
  // Before that, because reading the device is blocked as well.
  const std::string base = base_snapshot();
  const UniqueFd fd = opened(path_, O_RDWR | O_DIRECT);
  std::atomic<ssize_t> written = 0;
  std::thread writer;
  {
    const Frozen frozen(mount.path());
    writer = std::thread([&] {
      const AlignedBuffer bytes = noise(4096);
      written = ::pwrite(fd.get(), bytes.data(), 4096, 7 * kChunk);
    });
    while (generations.marked(0).empty() && written == 0) std::this_thread::yield();
    EXPECT_EQ(generations.marked(0), (Extent{7, 1}));
    EXPECT_EQ(generations.begin(base, false), std::nullopt);
    EXPECT_EQ(generations.marked(0), (Extent{7, 1}));
    generations.prepare(base, false);
    generations.commit();
    EXPECT_TRUE(generations.marked(0).empty()) << "nothing has been written since";
  }
  writer.join();
  EXPECT_EQ(written, 4096);
  EXPECT_EQ(changed(), Chunks{7});
  EXPECT_EQ(expect_nothing_missed(), Chunks{7});
  expect_rolls_back();
}

// A name below /dev/mapper, removed by the destructor.
class Mapped {
 public:
  Mapped(const std::string& table, std::string name) : name_(std::move(name)) {
    run_program({"dmsetup", "create", name_, "--table", table});
  }
  ~Mapped() {
    try {
      run_program({"dmsetup", "remove", "--retry", name_});
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] std::string path() const { return "/dev/mapper/" + name_; }

 private:
  std::string name_;
};

TEST_F(TrackingThrough, TheDeviceMapper) {
  try {
    run_program({"dmsetup", "version"});
  } catch (const std::exception&) {
    GTEST_SKIP() << "this kernel has no device mapper";
  }
  const LoopDevice disk = make_disk("disk.img", kBytes);
  write_noise(disk.path(), 0, kBytes, 1);
  if (!track(disk.path())) GTEST_SKIP() << why_;
  {
    const Mapped mapped("0 65536 linear " + disk.path() + " 2048",
                        "blkrewind-test-" + std::to_string(::getpid()));
    const UniqueFd fd = opened(mapped.path(), O_RDWR);
    put(fd.get(), 3 * kMiB + 5, 70000);
    std::array<std::uint64_t, 2> range = {8 * kMiB, kMiB};
    static_cast<void>(::ioctl(fd.get(), BLKDISCARD, range.data()));
    ASSERT_EQ(::fsync(fd.get()), 0);
    const auto tracked = engine_->start_tracking(mapped.path(), ChangeSource::kBitmap);
    EXPECT_TRUE(tracked) << tracked.error().to_string();
  }
  EXPECT_EQ(expect_nothing_missed(),
            chunks_of({pages_of(4 * kMiB + 5, 70000), {9 * kMiB, kMiB}}, kChunk));
  expect_rolls_back();
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
