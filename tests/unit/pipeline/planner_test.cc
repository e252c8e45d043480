#include "pipeline/planner.h"

#include <gtest/gtest.h>

#include "support/simulated_random.h"

namespace blkrewind::pipeline {
namespace {

using format::Entry;
using format::EntryState;

Entry stored(std::uint32_t block) {
  return {EntryState::kStored, format::Codec::kNone, 1, block, 4096, {block, 1}};
}

TEST(Planner, NothingInNothingOut) {
  Planner planner({kMiB, 4096}, kMiB);
  EXPECT_FALSE(planner.finish());
}

TEST(Planner, MergesNeighboursOfOneKind) {
  Planner planner({kMiB, 4096}, kMiB);
  EXPECT_FALSE(planner.add(3, stored(9)));
  EXPECT_FALSE(planner.add(4, stored(2)));
  const auto first = planner.add(5, Entry{});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->device, (Extent{3 * 4096, 8192}));
  EXPECT_FALSE(first->zero);
  ASSERT_EQ(first->chunks.size(), 2U);
  EXPECT_EQ(first->chunks[1].chunk, 4U);
  EXPECT_EQ(first->chunks[1].source, stored(2));
  const auto second = planner.add(7, Entry{});
  ASSERT_TRUE(second) << "there is a gap";
  EXPECT_EQ(second->device, (Extent{5 * 4096, 4096}));
  EXPECT_TRUE(second->zero);
  EXPECT_TRUE(second->chunks.empty());
  const auto last = planner.finish();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->device, (Extent{7 * 4096, 4096}));
  EXPECT_FALSE(planner.finish());
}

TEST(Planner, AShortLastChunkEndsWithTheDevice) {
  Planner planner({10 * 4096 + 512, 4096}, kMiB);
  EXPECT_FALSE(planner.add(9, stored(1)));
  EXPECT_FALSE(planner.add(10, stored(2)));
  EXPECT_EQ(planner.finish()->device, (Extent{9 * 4096, 4096 + 512}));
}

TEST(Planner, ALimitBelowAChunkStillTakesOne) {
  Planner planner({kMiB, 65536}, 4096);
  EXPECT_FALSE(planner.add(0, stored(1)));
  const auto item = planner.add(1, stored(2));
  ASSERT_TRUE(item);
  EXPECT_EQ(item->device, (Extent{0, 65536}));
}

// Each segment is an open file while the item is in flight.
TEST(Planner, AnItemIsOfFewSegments) {
  Planner planner({kMiB, 4096}, kMiB, 2);
  const auto of = [](std::uint32_t segment, std::uint32_t block) {
    Entry entry = stored(block);
    entry.segment = segment;
    return entry;
  };
  EXPECT_FALSE(planner.add(0, of(1, 1)));
  EXPECT_FALSE(planner.add(1, of(2, 1)));
  EXPECT_FALSE(planner.add(2, of(1, 2)));
  const auto item = planner.add(3, of(3, 1));
  ASSERT_TRUE(item);
  EXPECT_EQ(item->chunks.size(), 3U);
  EXPECT_FALSE(planner.add(4, of(1, 3)));
  EXPECT_EQ(planner.finish()->device, (Extent{3 * 4096, 2 * 4096}));
}

TEST(Planner, LongZeroesComeInPieces) {
  Planner planner({kGiB, kMiB}, kMiB);
  std::vector<PlanItem> items;
  for (std::uint64_t chunk = 0; chunk < 1024; ++chunk) {
    if (auto item = planner.add(chunk, Entry{})) items.push_back(*item);
  }
  items.push_back(*planner.finish());
  ASSERT_EQ(items.size(), 4U);
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].device, (Extent{i * Planner::kZeroMaxBytes, Planner::kZeroMaxBytes}));
  }
}

// For any input: the items cover exactly the chunks, in order, within the limits, and adjacent
// items that could be merged are merged.
TEST(Planner, ItemsAreThePlanAndAsFewAsCanBe) {
  sim::Random random(3);
  for (int round = 0; round < 300; ++round) {
    const std::uint32_t chunk_bytes = 4096U << random.below(9);
    const std::uint64_t chunks = 1 + random.below(600);
    const format::Geometry geometry{chunks * chunk_bytes - random.below(chunk_bytes), chunk_bytes};
    const std::uint64_t limit = 4096U << random.below(10);
    const std::uint64_t request = std::max<std::uint64_t>(limit, chunk_bytes);
    Planner planner(geometry, limit);
    std::vector<std::pair<std::uint64_t, Entry>> in;
    std::vector<PlanItem> items;
    const std::uint64_t density = random.below(101);
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
      if (!random.percent(density)) continue;
      const Entry entry =
          random.percent(70) ? stored(static_cast<std::uint32_t>(chunk + 1)) : Entry{};
      in.emplace_back(chunk, entry);
      if (auto item = planner.add(chunk, entry)) items.push_back(std::move(*item));
    }
    if (auto item = planner.finish()) items.push_back(std::move(*item));

    std::size_t next = 0;
    for (const PlanItem& item : items) {
      std::uint64_t at = item.device.offset;
      std::size_t planned = 0;
      while (at < item.device.end()) {
        ASSERT_LT(next, in.size());
        const auto& [chunk, entry] = in[next++];
        ASSERT_EQ(geometry.chunk_extent(chunk).offset, at);
        ASSERT_EQ(entry.is_zero(), item.zero);
        if (!item.zero) {
          ASSERT_LT(planned, item.chunks.size());
          ASSERT_EQ(item.chunks[planned].chunk, chunk);
          ASSERT_EQ(item.chunks[planned++].source, entry);
        }
        at = geometry.chunk_extent(chunk).end();
      }
      ASSERT_EQ(at, item.device.end());
      ASSERT_EQ(planned, item.chunks.size());
      ASSERT_LE(item.device.length, item.zero ? Planner::kZeroMaxBytes : request);
    }
    ASSERT_EQ(next, in.size()) << "none is lost";
    for (std::size_t i = 1; i < items.size(); ++i) {
      const PlanItem& a = items[i - 1];
      const PlanItem& b = items[i];
      if (a.zero != b.zero || a.device.end() != b.device.offset) continue;
      const std::uint64_t first = geometry.chunk_extent(b.device.offset / chunk_bytes).length;
      ASSERT_GT(a.device.length + first, a.zero ? Planner::kZeroMaxBytes : request);
    }
  }
}

}  // namespace
}  // namespace blkrewind::pipeline
