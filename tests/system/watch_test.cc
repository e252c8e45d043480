// A watch of real devices: what it marks, and when it says that nothing was written.
#ifdef BLKREWIND_PROGRAM

#include <sys/uio.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "support/zram_device.h"
#include "system/probe_fixture.h"
#include "system/tracking_fixture.h"
#include "track/trackers.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kWatchedBytes = 16 * kMiB;
constexpr std::uint32_t kWatchedChunk = 64 * kKiB;

class Watching : public DeviceSystem {
 protected:
  // Null: this kernel does not support it; why_ says what is missing.
  std::unique_ptr<track::Watch> watch(const std::string& path, std::uint64_t bytes) {
    track::TrackedDisk disk;
    disk.path = path;
    disk.device_bytes = bytes;
    disk.chunk_bytes = kWatchedChunk;
    auto started = track::local_trackers().start_watch(disk);
    if (started) return std::move(*started);
    why_ = started.error().to_string();
    if (started.error().code != Errc::kUnsupported) ADD_FAILURE() << why_;
    return nullptr;
  }

  static Chunks chunks(const track::Watch& watch) {
    std::vector<Extent> extents;
    for (Extent run = watch.marked(0); !run.empty(); run = watch.marked(run.end())) {
      extents.push_back(run);
    }
    return chunks_of(extents, kWatchedChunk);
  }

  static void put(int fd, std::uint64_t at, std::uint64_t length) {
    AlignedBuffer bytes(length);
    std::memset(bytes.data(), 'w', length);
    ASSERT_EQ(::pwrite(fd, bytes.data(), length, static_cast<off_t>(at)),
              static_cast<ssize_t>(length));
  }

  void expect_follows(const std::string& path) {
    const auto one = watch(path, kWatchedBytes);
    if (!one) GTEST_SKIP() << why_;
    const auto two = watch(path, kWatchedBytes);
    ASSERT_TRUE(two);
    EXPECT_TRUE(one->quiet());
    EXPECT_STREQ(one->escaped(), "");

    put(opened(path, O_WRONLY | O_DIRECT).get(), 3 * kWatchedChunk, 4096);
    EXPECT_FALSE(one->quiet());
    one->flip();
    EXPECT_TRUE(one->quiet()) << one->escaped();
    EXPECT_EQ(chunks(*one), Chunks{3});
    EXPECT_EQ(one->marked_bytes(), kWatchedChunk);
    EXPECT_EQ(one->marked(3 * kWatchedChunk + 5),
              (Extent{3 * kWatchedChunk + 5, kWatchedChunk - 5}));

    {
      const UniqueFd buffered = opened(path, O_WRONLY);
      put(buffered.get(), 9 * kWatchedChunk - 100, 200);
      EXPECT_TRUE(one->quiet()) << "only in the cache";
      ASSERT_EQ(::fsync(buffered.get()), 0);
      EXPECT_FALSE(one->quiet());
    }
    one->flip();
    EXPECT_EQ(chunks(*one), (Chunks{8, 9}));
    EXPECT_TRUE(one->quiet());
    one->flip();
    EXPECT_EQ(chunks(*one), Chunks());
    EXPECT_EQ(one->marked(0), Extent{});

    // The other one has not been asked yet.
    EXPECT_FALSE(two->quiet());
    two->flip();
    EXPECT_EQ(chunks(*two), (Chunks{3, 8, 9}));
    EXPECT_TRUE(two->quiet());
    EXPECT_STREQ(two->escaped(), "");

    // What would have had to wait is tried again; all sums are even afterwards.
    const UniqueFd direct = opened(path, O_WRONLY | O_DIRECT);
    AlignedBuffer bytes(8 * kMiB);
    const iovec part{bytes.data(), bytes.size()};
    for (int i = 0; i < 50; ++i) (void)::pwritev2(direct.get(), &part, 1, 0, RWF_NOWAIT);
    put(direct.get(), 0, 8 * kMiB);
    one->flip();
    EXPECT_TRUE(one->quiet()) << one->escaped();
    EXPECT_EQ(one->marked_bytes(), 8 * kMiB);
  }

  // While one process writes all the time, directly and through the cache: whatever is read after
  // a flip is what is there when the watch is quiet.
  void expect_copies(const std::string& path) {
    const auto one = watch(path, kWatchedBytes);
    if (!one) GTEST_SKIP() << why_;
    AlignedBuffer copy = read_device(path);
    std::atomic<bool> stop = false;
    std::atomic<bool> pause = false;
    std::atomic<bool> paused = false;
    std::thread writer([&] {
      const UniqueFd direct = opened(path, O_WRONLY | O_DIRECT);
      const UniqueFd buffered = opened(path, O_WRONLY);
      std::uint64_t random = 7;
      AlignedBuffer bytes(64 * kKiB);
      while (!stop) {
        if (paused = pause.load(); paused) {
          std::this_thread::yield();
          continue;
        }
        random = random * 6364136223846793005U + 1442695040888963407U;
        std::memset(bytes.data(), static_cast<int>(random >> 56), bytes.size());
        const std::uint64_t at = (random >> 30) % (kWatchedBytes / 4096 - 16) * 4096;
        const std::uint64_t length = (1 + (random >> 20) % 16) * 4096;
        const bool cached = at / kMiB % 2 == 1 && (at + length - 1) / kMiB % 2 == 1;
        if (!cached && (at + length - 1) / kMiB % 2 == 1) continue;
        (void)::pwrite(cached ? buffered.get() : direct.get(), bytes.data(), length,
                       static_cast<off_t>(at));
        if (cached && random >> 62 == 0) (void)::fsync(buffered.get());
      }
    });
    const UniqueFd reader = opened(path, O_RDONLY | O_DIRECT);
    std::uint64_t passes = 0;
    const auto pass = [&] {
      one->flip();
      for (Extent run = one->marked(0); !run.empty(); run = one->marked(run.end())) {
        ASSERT_EQ(::pread(reader.get(), copy.data() + run.offset, run.length,
                          static_cast<off_t>(run.offset)),
                  static_cast<ssize_t>(run.length));
      }
      ++passes;
    };
    for (int i = 0; i < 40; ++i) {
      for (int j = 0; j < 10; ++j) pass();
      pause = true;
      while (!paused) std::this_thread::yield();
      flush_node(path);
      // Everything has ended.
      pass();
      EXPECT_TRUE(one->quiet()) << one->escaped();
      EXPECT_EQ(differing(read_device(path), copy, kWatchedChunk), Chunks());
      pause = false;
      while (paused) std::this_thread::yield();
    }
    stop = true;
    writer.join();
    EXPECT_STREQ(one->escaped(), "");
    EXPECT_EQ(passes, 440U);
  }

  std::string why_;
};

TEST_F(Watching, ALoopDevice) {
  const LoopDevice disk = make_disk("disk.img", kWatchedBytes);
  expect_follows(disk.path());
}

TEST_F(Watching, AZramDevice) {
  const auto zram = ZramDevice::make(kWatchedBytes);
  if (!zram) GTEST_SKIP() << "there is no zram";
  expect_follows(zram->path());
}

TEST_F(Watching, WritersOfALoopDevice) {
  const LoopDevice disk = make_disk("disk.img", kWatchedBytes);
  expect_copies(disk.path());
}

TEST_F(Watching, WritersOfAZramDevice) {
  const auto zram = ZramDevice::make(kWatchedBytes);
  if (!zram) GTEST_SKIP() << "there is no zram";
  expect_copies(zram->path());
}

TEST_F(Watching, APartitionIsQuietWhileAnotherIsWrittenTo) {
  const LoopDevice disk = make_disk("disk.img", 64 * kMiB);
  const TwoPartitions partitions(disk.path());
  const UniqueFd node = opened(partitions.path(1), O_RDONLY);
  std::uint64_t bytes = 0;
  ASSERT_EQ(::ioctl(node.get(), BLKGETSIZE64, &bytes), 0);
  const auto one = watch(partitions.path(1), bytes);
  if (!one) GTEST_SKIP() << why_;
  put(opened(partitions.path(2), O_WRONLY | O_DIRECT).get(), 0, 4096);
  EXPECT_TRUE(one->quiet());
  put(opened(partitions.path(1), O_WRONLY | O_DIRECT).get(), 0, 4096);
  EXPECT_FALSE(one->quiet());
  one->flip();
  EXPECT_EQ(chunks(*one), Chunks{0});
  EXPECT_TRUE(one->quiet());
}

// A write that began before the flip, and ends when the file system below is thawed.
TEST_F(Watching, IsNotQuietWhileAWriteIsUnderWay) {
  const LoopDevice lower = make_disk("lower.img", 256 * kMiB);
  run_program({"mkfs.ext4", "-q", "-F", lower.path()});
  const Mount mount(lower.path(), make_directory("mount"), "ext4");
  const LoopDevice disk = LoopDevice::make(mount.path() + "/disk.img", kWatchedBytes);
  const auto one = watch(disk.path(), kWatchedBytes);
  if (!one) GTEST_SKIP() << why_;
  const UniqueFd fd = opened(disk.path(), O_WRONLY | O_DIRECT);
  const UniqueFd root = opened(mount.path(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::ioctl(root.get(), FIFREEZE, 0), 0);
  std::thread writer([&] { put(fd.get(), 7 * kWatchedChunk, 4096); });
  do {
    one->flip();
  } while (one->marked(0).empty());
  // A flip in the middle of the event has set it in both.
  while (!one->marked(0).empty()) {
    EXPECT_EQ(chunks(*one), Chunks{7});
    one->flip();
  }
  EXPECT_FALSE(one->quiet()) << "nothing is marked, but the write has not ended";
  ASSERT_EQ(::ioctl(root.get(), FITHAW, 0), 0);
  writer.join();
  EXPECT_FALSE(one->quiet());
  one->flip();
  EXPECT_EQ(chunks(*one), Chunks{7}) << "the end is marked as well";
  EXPECT_TRUE(one->quiet());
}

TEST_F(Watching, WorksBesideATrackerAndLeavesNothing) {
  const LoopDevice disk = make_disk("disk.img", kWatchedBytes);
  const CliOutcome started = run({"track", "start", disk.path()});
  if (started.status != 0 && lacks_kernel_tracking(started.err)) GTEST_SKIP() << started.err;
  ASSERT_EQ(started.status, 0) << started.err;
  ask({"snapshot", disk.path(), "--name", "one"});
  {
    const auto one = watch(disk.path(), kWatchedBytes);
    ASSERT_TRUE(one) << why_;
    put(opened(disk.path(), O_WRONLY | O_DIRECT).get(), 5 * kWatchedChunk, 4096);
    one->flip();
    EXPECT_EQ(chunks(*one), Chunks{5});
  }
  const json done = ask({"rollback", disk.path(), "one"});
  EXPECT_EQ(done.value("change_source", ""), "bitmap");
  EXPECT_EQ(done.value("changed_bytes", 0U), kWatchedChunk);
  ask({"track", "stop", disk.path()});
}

TEST_F(Watching, IsRefusedToAFile) {
  make_sparse_file(file("image.img"), kWatchedBytes);
  EXPECT_FALSE(watch(file("image.img"), kWatchedBytes));
}

}  // namespace
}  // namespace blkrewind::test

#endif
