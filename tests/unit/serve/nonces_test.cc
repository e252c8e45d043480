#include "cli/serve/nonces.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "cli/serve/timestamp.h"

namespace blkrewind::serve {
namespace {

constexpr std::int64_t kNoon = 1456228800;
using enum Nonces::Verdict;

TEST(Nonces, AreGoodForOneRequestOfTheirKey) {
  Nonces nonces(10);
  EXPECT_EQ(nonces.use("a", "n", kNoon, kNoon), kFresh);
  EXPECT_EQ(nonces.use("a", "n", kNoon, kNoon), kUsed);
  EXPECT_EQ(nonces.use("a", "n", kNoon + 1, kNoon), kUsed);
  EXPECT_EQ(nonces.use("b", "n", kNoon, kNoon), kFresh);
  EXPECT_EQ(nonces.use("a", "N", kNoon, kNoon), kFresh);
  EXPECT_EQ(nonces.use("an", "", kNoon, kNoon), kFresh);
}

TEST(Nonces, LiveAsLongAsTheirTimestampMayBeValid) {
  Nonces nonces(10);
  ASSERT_EQ(nonces.use("a", "n", kNoon, kNoon), kFresh);
  EXPECT_EQ(nonces.use("a", "n", kNoon, kNoon + kTimestampWindowSeconds), kUsed);
  // Now that timestamp is refused by itself, and the nonce may come again with another.
  const std::int64_t later = kNoon + kTimestampWindowSeconds + 1;
  EXPECT_EQ(nonces.use("a", "n", later, later), kFresh);
}

TEST(Nonces, AreRefusedRatherThanForgotten) {
  Nonces nonces(2);
  ASSERT_EQ(nonces.use("a", "1", kNoon, kNoon), kFresh);
  ASSERT_EQ(nonces.use("a", "2", kNoon + 5, kNoon), kFresh);
  EXPECT_EQ(nonces.use("a", "3", kNoon, kNoon), kFull);
  EXPECT_EQ(nonces.use("a", "1", kNoon, kNoon), kUsed);
  const std::int64_t later = kNoon + kTimestampWindowSeconds + 1;
  EXPECT_EQ(nonces.use("a", "3", later, later), kFresh);
  EXPECT_EQ(nonces.use("a", "4", later, later), kFull);
  EXPECT_EQ(nonces.use("a", "2", kNoon + 5, later), kUsed);
}

TEST(Nonces, AClockSetBackBringsNoReplay) {
  Nonces nonces(10);
  ASSERT_EQ(nonces.use("a", "n", kNoon, kNoon), kFresh);
  const std::int64_t later = kNoon + 2 * kTimestampWindowSeconds;
  ASSERT_EQ(nonces.use("a", "m", later, later), kFresh);  // and n is forgotten
  EXPECT_EQ(nonces.use("a", "n", kNoon, kNoon), kExpired);
  EXPECT_EQ(nonces.use("a", "o", kNoon - 1, kNoon), kExpired);
  EXPECT_EQ(nonces.use("a", "o", kNoon + 1, kNoon), kFresh);
}

TEST(Nonces, ThreadsUseEachOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  Nonces nonces(kEach + 100);
  std::atomic<int> fresh = 0;
  std::atomic<int> odd = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // The same nonces in every thread, in another order.
        const int n = (i * 7 + t * 501) % kEach;
        const auto verdict = nonces.use("a", std::to_string(n), kNoon + n % 60, kNoon);
        if (verdict == kFresh) ++fresh;
        if (verdict != kFresh && verdict != kUsed) ++odd;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fresh, kEach);
  EXPECT_EQ(odd, 0);
}

}  // namespace
}  // namespace blkrewind::serve
