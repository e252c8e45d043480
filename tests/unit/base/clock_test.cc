#include "base/clock.h"

#include <gtest/gtest.h>

#include <limits>

namespace blkrewind {
namespace {

const Moment kThen = {1'000'000, 500, "boot"};

Moment later(std::int64_t wall, std::int64_t boottime) {
  return {kThen.wall + wall, kThen.boottime + boottime, kThen.boot_id};
}

TEST(Clock, BothClocksOfThisMachineGo) {
  const Moment now = moment_now();
  EXPECT_GT(now.wall, 0);
  EXPECT_GE(moment_now().boottime, now.boottime);
  EXPECT_TRUE(now.boot_id.empty() || now.boot_id.size() == 36) << now.boot_id;
}

TEST(Clock, WhatHasPassedIsKnownWhereBothClocksAgree) {
  EXPECT_EQ(known_seconds(kThen, kThen), 0);
  EXPECT_EQ(known_seconds(kThen, later(100, 100)), 100);
  EXPECT_EQ(known_seconds(kThen, later(160, 100)), 100) << "the clock was slewed";
  EXPECT_EQ(known_seconds(kThen, later(161, 100)), std::nullopt) << "set ahead";
  EXPECT_EQ(known_seconds(kThen, later(39, 100)), std::nullopt) << "set back";
  EXPECT_EQ(known_seconds(kThen, later(-10, -10)), std::nullopt) << "a restored machine";
}

TEST(Clock, WhatIsCertainIsWhatBothClocksGrant) {
  EXPECT_EQ(certain_seconds(kThen, later(100, 100)), 100);
  EXPECT_EQ(certain_seconds(kThen, later(1'000'000, 100)), 100) << "set ahead";
  EXPECT_EQ(certain_seconds(kThen, later(-1'000'000, 100)), 0) << "set back";
  EXPECT_EQ(certain_seconds(kThen, later(100, 1'000'000)), 100) << "another time namespace";
  EXPECT_EQ(certain_seconds(kThen, later(100, -1)), 0);
}

TEST(Clock, AnotherBootOrAnUnknownOneProvesNothing) {
  Moment other = later(100, 100);
  other.boot_id = "another";
  EXPECT_EQ(known_seconds(kThen, other), std::nullopt);
  EXPECT_EQ(certain_seconds(kThen, other), 0);
  EXPECT_FALSE(is_same_boot({}, {}));
}

TEST(Clock, AnyNumberMayStandInARecord) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t wall : {kMin, kMax}) {
    for (const std::int64_t boottime : {kMin, kMax}) {
      EXPECT_EQ(certain_seconds({wall, boottime, "boot"}, kThen), 0) << wall << " " << boottime;
      EXPECT_EQ(known_seconds({wall, boottime, "boot"}, kThen), std::nullopt);
    }
  }
}

}  // namespace
}  // namespace blkrewind
