#include "pipeline/extent_merger.h"

#include <gtest/gtest.h>

namespace blkrewind::pipeline {
namespace {

TEST(ExtentMerger, JoinsNeighbours) {
  ExtentMerger merger;
  EXPECT_EQ(merger.finish(), std::nullopt);
  EXPECT_EQ(merger.add({0, 10}), std::nullopt);
  EXPECT_EQ(merger.add({10, 5}), std::nullopt);
  EXPECT_EQ(merger.open(), (Extent{0, 15}));
  EXPECT_EQ(merger.add({20, 1}), (Extent{0, 15}));
  EXPECT_EQ(merger.add({21, 1}), std::nullopt);
  EXPECT_EQ(merger.finish(), (Extent{20, 2}));
  EXPECT_EQ(merger.finish(), std::nullopt);
  EXPECT_EQ(merger.count(), 2U);
  EXPECT_EQ(merger.bytes(), 17U);
}

TEST(ExtentTally, NamesTheFirstOnesAndCountsAll) {
  ExtentTally tally;
  EXPECT_TRUE(tally.empty());
  EXPECT_EQ(tally.text(), "");
  tally.add({0, 10});
  tally.add({10, 10});
  EXPECT_EQ(tally.text(), " [offset 0, length 20]");
  for (std::uint64_t i = 1; i < 20; ++i) tally.add({i * 100, 10});
  tally.add({1910, 10});  // goes on one that is not named
  EXPECT_EQ(tally.count(), 20U);
  EXPECT_EQ(tally.bytes(), 220U);
  ASSERT_EQ(tally.named().size(), ExtentTally::kNamedMax);
  EXPECT_EQ(tally.named().back(), (Extent{1500, 10}));
  EXPECT_TRUE(tally.text().ends_with("[offset 1500, length 10] and 4 extents more"));
}

}  // namespace
}  // namespace blkrewind::pipeline
