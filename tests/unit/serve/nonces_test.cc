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

// Both clocks advance together.
Nonces::Now at(std::int64_t now) { return {now, now}; }

TEST(Nonces, AreGoodForOneRequestOfTheirKey) {
  Nonces nonces(10);
  EXPECT_EQ(nonces.use("a", "n", kNoon, at(kNoon)), kFresh);
  EXPECT_EQ(nonces.use("a", "n", kNoon, at(kNoon)), kUsed);
  EXPECT_EQ(nonces.use("a", "n", kNoon + 1, at(kNoon)), kUsed);
  EXPECT_EQ(nonces.use("b", "n", kNoon, at(kNoon)), kFresh);
  EXPECT_EQ(nonces.use("a", "N", kNoon, at(kNoon)), kFresh);
  EXPECT_EQ(nonces.use("an", "", kNoon, at(kNoon)), kFresh);
}

TEST(Nonces, LiveAsLongAsTheirTimestampMayBeValid) {
  Nonces nonces(10);
  ASSERT_EQ(nonces.use("a", "n", kNoon, at(kNoon)), kFresh);
  EXPECT_EQ(nonces.use("a", "n", kNoon, at(kNoon + kTimestampWindowSeconds)), kUsed);
  // Now that timestamp is refused itself, and the nonce may be used again with another.
  const std::int64_t later = kNoon + kTimestampWindowSeconds + 1;
  EXPECT_EQ(nonces.use("a", "n", later, at(later)), kFresh);
}

TEST(Nonces, AreRefusedRatherThanForgotten) {
  Nonces nonces(2);
  ASSERT_EQ(nonces.use("a", "1", kNoon, at(kNoon)), kFresh);
  ASSERT_EQ(nonces.use("a", "2", kNoon + 5, at(kNoon)), kFresh);
  EXPECT_EQ(nonces.use("a", "3", kNoon, at(kNoon)), kFull);
  EXPECT_EQ(nonces.use("a", "1", kNoon, at(kNoon)), kUsed);
  const std::int64_t later = kNoon + kTimestampWindowSeconds + 1;
  EXPECT_EQ(nonces.use("a", "3", later, at(later)), kFresh);
  EXPECT_EQ(nonces.use("a", "4", later, at(later)), kFull);
  EXPECT_EQ(nonces.use("a", "2", kNoon + 5, at(later)), kUsed);
}

TEST(Nonces, AClockSetBackBringsNoReplay) {
  Nonces nonces(10);
  ASSERT_EQ(nonces.use("a", "n", kNoon, at(kNoon)), kFresh);
  const std::int64_t later = kNoon + 2 * kTimestampWindowSeconds;
  ASSERT_EQ(nonces.use("a", "m", later, at(later)), kFresh);  // and n is dropped
  EXPECT_EQ(nonces.use("a", "n", kNoon, at(kNoon)), kExpired);
  EXPECT_EQ(nonces.use("a", "o", kNoon - 1, at(kNoon)), kExpired);
  EXPECT_EQ(nonces.use("a", "o", kNoon + 1, at(kNoon)), kFresh);
}

TEST(Nonces, AWallClockThatIsSetForgetsNothing) {
  Nonces nonces(10);
  ASSERT_EQ(nonces.use("a", "n", kNoon, {kNoon, 0}), kFresh);
  constexpr std::int64_t kDay = 86'400;
  ASSERT_EQ(nonces.use("a", "m", kNoon + kDay, {kNoon + kDay, 1}), kFresh) << "a day ahead";
  EXPECT_EQ(nonces.use("a", "n", kNoon, {kNoon, 2}), kUsed) << "and back";
  EXPECT_EQ(nonces.use("a", "o", kNoon, {kNoon, 2}), kFresh);
}

TEST(Nonces, AClockThatWasAheadRefusesNoClient) {
  Nonces nonces(10);
  constexpr std::int64_t kDay = 86'400;
  constexpr std::int64_t kLater = 2 * kTimestampWindowSeconds;
  ASSERT_EQ(nonces.use("a", "n", kNoon + kDay, {kNoon + kDay, 0}), kFresh);
  const std::int64_t now = kNoon + kLater;
  EXPECT_EQ(nonces.use("a", "m", now, {now, kLater}), kFresh) << "the clock was set right";
  EXPECT_EQ(nonces.use("a", "n", kNoon + kDay, {kNoon + kDay, kLater + kDay}), kExpired)
      << "a day later its time has come";
}

TEST(Nonces, WhatIsRememberedOfForgottenOnesIsBounded) {
  Nonces nonces(10);
  std::int64_t now = kNoon;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(nonces.use("a", std::to_string(i), now, at(now)), kFresh);
    now += 10 * kTimestampWindowSeconds;
  }
  for (int i = 0; i < 900; ++i) {
    const std::int64_t then = kNoon + i * 10 * kTimestampWindowSeconds;
    ASSERT_EQ(nonces.use("a", std::to_string(i), then, {then, now}), kExpired) << i;
  }
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
        const auto verdict = nonces.use("a", std::to_string(n), kNoon + n % 60, at(kNoon));
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
