#include "store/chunk_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace blkrewind::store {
namespace {

using Turn = ChunkCache::Turn;

constexpr Digest kOne{1, 1};

ChunkCache::Bytes bytes_of(std::size_t size) { return std::make_shared<AlignedBuffer>(size); }

TEST(ChunkCache, GivesATurnToOneAtATime) {
  ChunkCache cache(100);
  EXPECT_EQ(cache.seek(kOne).turn, Turn::kMine);
  EXPECT_EQ(cache.seek(kOne).turn, Turn::kBusy);
  cache.give_up(kOne);
  EXPECT_EQ(cache.seek(kOne).turn, Turn::kMine) << "who had it gave up";
  const auto bytes = bytes_of(10);
  cache.publish(kOne, bytes);
  EXPECT_EQ(cache.seek(kOne).turn, Turn::kFound);
  EXPECT_EQ(cache.seek(kOne).bytes, bytes);
  EXPECT_EQ(cache.wait(kOne).turn, Turn::kFound);
}

TEST(ChunkCache, WakesThoseWhoWait) {
  ChunkCache cache(100);
  ASSERT_EQ(cache.seek(kOne).turn, Turn::kMine);
  std::atomic<int> found = 0;
  std::atomic<int> own = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto sought = cache.wait(kOne);
      if (sought.turn == Turn::kFound) {
        ++found;
      } else {
        // The first one that was given up; this one reads it.
        ++own;
        cache.publish(kOne, bytes_of(10));
      }
    });
  }
  cache.give_up(kOne);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(own, 1);
  EXPECT_EQ(found, 7);
}

TEST(ChunkCache, ReadsAgainWhatItCannotKeep) {
  ChunkCache cache(0);
  ASSERT_EQ(cache.seek(kOne).turn, Turn::kMine);
  cache.publish(kOne, bytes_of(10));
  EXPECT_EQ(cache.wait(kOne).turn, Turn::kMine);
}

}  // namespace
}  // namespace blkrewind::store
