// The program and the engine on a device without a request queue, and the sums of a watch, event by
// event.
#include <gtest/gtest.h>

#include <vector>

#include "track/bitmap/mark_sets.h"
#include "unit/track/program_in_user_space.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kStart = 2048;  // sector
constexpr std::uint64_t kTarget = 1600;

class UnderWay : public ::testing::Test {
 protected:
  void load(bool bios, bool counts) {
    load_program({.first_sector = kStart,
                  .sectors = kTarget,
                  .granule_shift = 12,
                  .bios = bios,
                  .counts = counts});
    processor() = {};
  }
  static track::MarkSets sets() { return {program_control(), program_bits(), program_under_way()}; }
  static Extent run() {
    const track::MarkSets all = sets();
    return all.first_run(all.active(), 0);
  }
  static void flip() {
    track::MarkSets all = sets();
    all.clear(all.other());
    all.make_other_active();
  }
  static std::uint64_t in_table() {
    std::uint64_t count = 0;
    for (const blkrewind_bucket& bucket : program_under_way()) {
      for (const std::uint64_t bio : bucket.bio) count += bio != 0 ? 1 : 0;
    }
    return count;
  }
  static bool even() { return program_control().begun == program_control().ended; }
  void* bio(std::size_t index) {
    const std::size_t bytes = (bio_bytes() + 15) / 16 * 16;
    if (memory_.empty()) memory_.resize(40000 * bytes);
    return memory_.data() + index * bytes;
  }

  std::vector<std::byte> memory_;
};

TEST_F(UnderWay, IsMarkedAtBothEndsThoughItsExtentIsUsedUp) {
  load(true, false);
  bio_is_queued(bio(0), kStart + 80, 16);
  EXPECT_EQ(run(), (Extent{10, 2}));
  EXPECT_EQ(in_table(), 1U);
  bio_is_complete(bio(0));
  EXPECT_EQ(in_table(), 0U);
  flip();
  EXPECT_EQ(run(), Extent{}) << "it had ended";
}

TEST_F(UnderWay, IsMarkedInTheNewSetAtOnce) {
  load(true, false);
  bio_is_queued(bio(0), kStart + 80, 16);
  flip();
  EXPECT_EQ(run(), (Extent{10, 2}));
  const track::MarkSets all = sets();
  for (std::uint64_t& word : all.words(all.active())) word = 0;
  bio_is_complete(bio(0));
  EXPECT_EQ(run(), (Extent{10, 2})) << "and at its end";
}

TEST_F(UnderWay, OneWhoseEndIsNotAnnouncedStaysMarkedUntilItsAddressComesUp) {
  load(true, true);
  bio_is_queued(bio(0), kStart, 8);
  for (int i = 0; i < 3; ++i) {
    flip();
    EXPECT_EQ(run(), (Extent{0, 1}));
    EXPECT_FALSE(even());
  }
  bio_is_queued(bio(0), kStart + 800, 8);
  bio_is_complete(bio(0));
  EXPECT_TRUE(even());
  flip();
  EXPECT_EQ(run(), Extent{});
  EXPECT_EQ(program_control().escaped, 0U);
}

TEST_F(UnderWay, SplitsAreNotInTheTable) {
  load(true, true);
  bio_is_queued(bio(0), kStart, 64);
  flip();
  // A part of it, which was never announced as begun.
  bio_is_queued(bio(1), kStart - 512, 8);  // gives it its fields; beside the target
  bio_is_complete(bio(1));
  EXPECT_FALSE(even());
  EXPECT_EQ(in_table(), 1U);
  bio_is_complete(bio(0));
  EXPECT_TRUE(even());
}

TEST_F(UnderWay, OnlyTheTargetCounts) {
  load(true, true);
  bio_is_queued(bio(0), kStart - 8, 8);
  bio_is_queued(bio(1), kStart + kTarget, 8);
  EXPECT_EQ(in_table(), 0U);
  EXPECT_TRUE(even());
  bio_is_queued(bio(2), kStart - 8, 9);
  bio_is_queued(bio(3), kStart + kTarget - 1, 8);
  EXPECT_EQ(in_table(), 2U);
  flip();
  EXPECT_EQ(sets().count(sets().active()), 2U);
}

TEST_F(UnderWay, MoreThanThereArePlacesVoid) {
  load(true, false);
  constexpr std::size_t kHalf = BLKREWIND_BUCKETS * BLKREWIND_PLACES / 2;
  for (std::size_t i = 0; i < kHalf; ++i) bio_is_queued(bio(i), kStart, 8);
  EXPECT_EQ(program_control().escaped, 0U) << "half of them are no difficulty";
  EXPECT_EQ(in_table(), kHalf);
  for (std::size_t i = 0; i < kHalf; ++i) bio_is_complete(bio(i));
  EXPECT_EQ(in_table(), 0U);
  for (std::size_t i = 0; i <= 2 * kHalf; ++i) bio_is_queued(bio(i), kStart, 8);
  EXPECT_EQ(program_control().escaped, static_cast<__u32>(BLKREWIND_ESCAPED_OVERFLOW));
}

TEST_F(UnderWay, RequestsAddUpHoweverTheyAreCutAndMerged) {
  load(false, true);
  bio_is_queued(bio(0), kStart + 100, 8);
  bio_is_queued(bio(1), kStart + 108, 24);
  EXPECT_EQ(program_control().begun, 32U);
  write_is_complete(kStart + 100, 3);
  write_is_complete(kStart + 103, 0);  // the flush machinery
  EXPECT_FALSE(even());
  write_is_complete(kStart + 103, 29);
  EXPECT_TRUE(even());
  bio_is_queued(bio(0), kStart - 4, 8);
  write_is_complete(kStart - 4, 6);
  EXPECT_FALSE(even());
  write_is_complete(kStart + 2, 2);
  EXPECT_TRUE(even());
  EXPECT_EQ(program_control().escaped, 0U);
}

TEST_F(UnderWay, WhatWouldHaveHadToWaitEndsWithoutARequest) {
  load(false, true);
  bio_is_queued(bio(0), kStart + 100, 8);
  bio_is_complete(bio(0), BioEnd::kWouldWait);
  EXPECT_TRUE(even());
  EXPECT_EQ(program_control().escaped, 0U);
  bio_is_queued(bio(0), kStart + 100, 8);
  bio_is_complete(bio(0), BioEnd::kOther);
  EXPECT_EQ(program_control().escaped, static_cast<__u32>(BLKREWIND_ESCAPED_UNCOUNTED));
}

}  // namespace
}  // namespace blkrewind::test
