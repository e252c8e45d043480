#include "pipeline/differing_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace blkrewind::pipeline {
namespace {

using format::kFanout;

pipeline::ScanResult leaf_with(std::uint64_t leaf, const std::vector<std::uint64_t>& different) {
  pipeline::ScanResult result;
  result.leaf = leaf;
  for (const std::uint64_t i : different) result.entries[i].digest = Digest{1, 2};
  return result;
}

std::vector<std::uint64_t> all_of(const DifferingChunks& chunks) {
  std::vector<std::uint64_t> found;
  DifferingChunks::Source source(chunks);
  while (true) {
    const auto candidate = source.next();
    if (!candidate || !*candidate) return found;
    for (std::uint64_t i = 0; i < kFanout; ++i) {
      if ((*candidate)->read.test(i)) found.push_back((*candidate)->leaf * kFanout + i);
    }
  }
}

TEST(DifferingChunks, AreThoseThatWereAdded) {
  const format::Geometry geometry{1000 * std::uint64_t{4096}, 4096};
  DifferingChunks chunks(geometry);
  EXPECT_TRUE(all_of(chunks).empty());
  chunks.add(leaf_with(0, {0, 63, 64, 127}));
  chunks.add(leaf_with(3, {}));
  chunks.add(leaf_with(7, {5, 103}));  // the last chunk is 999
  const std::vector<std::uint64_t> expected = {0, 63, 64, 127, 901, 999};
  EXPECT_EQ(all_of(chunks), expected);
  EXPECT_EQ(all_of(chunks), expected) << "again";
  chunks.clear();
  EXPECT_TRUE(all_of(chunks).empty());
}

// Of a very large device a bit stands for several chunks: too many are named, none is missed, and
// none beyond the end.
TEST(DifferingChunks, OfAVeryLargeDeviceAreNamedWithTheirNeighbours) {
  const std::uint64_t count = (std::uint64_t{1} << 27) + 3;
  const format::Geometry geometry{count * 4096, 4096};
  DifferingChunks chunks(geometry);
  chunks.add(leaf_with(0, {5}));
  chunks.add(leaf_with((count - 1) / kFanout, {(count - 1) % kFanout}));
  const std::vector<std::uint64_t> found = all_of(chunks);
  EXPECT_LE(found.size(), 2 * 8U);
  EXPECT_EQ(std::ranges::count(found, 5U), 1);
  EXPECT_EQ(std::ranges::count(found, 6U), 1) << "its neighbour";
  EXPECT_EQ(found.back(), count - 1);
}

}  // namespace
}  // namespace blkrewind::pipeline
