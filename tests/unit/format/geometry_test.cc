#include "format/geometry.h"

#include <gtest/gtest.h>

namespace blkrewind::format {
namespace {

TEST(Geometry, CutsADeviceIntoChunksAndLeaves) {
  const Geometry geometry{10 * kMiB + 512, 64 * kKiB};
  EXPECT_EQ(geometry.chunk_count(), 161U);
  EXPECT_EQ(geometry.leaf_count(), 2U);
  EXPECT_EQ(geometry.height(), 2U);
  EXPECT_EQ(geometry.chunk_extent(0), (Extent{0, 65536}));
  EXPECT_EQ(geometry.chunk_extent(160), (Extent{10 * kMiB, 512}));
  EXPECT_EQ(geometry.leaf_extent(0), (Extent{0, 8 * kMiB}));
  EXPECT_EQ(geometry.leaf_extent(1), (Extent{8 * kMiB, 2 * kMiB + 512}));
}

TEST(Geometry, ChunksAndLeavesCoverEveryByteOnce) {
  for (const std::uint64_t bytes : {1UL, 511UL, 4096UL, 4097UL, 524288UL, 524289UL, 1234567UL}) {
    const Geometry geometry{bytes, 4096};
    std::uint64_t at = 0;
    for (std::uint64_t chunk = 0; chunk < geometry.chunk_count(); ++chunk) {
      ASSERT_EQ(geometry.chunk_extent(chunk).offset, at);
      ASSERT_FALSE(geometry.chunk_extent(chunk).empty());
      at = geometry.chunk_extent(chunk).end();
    }
    EXPECT_EQ(at, bytes);
    at = 0;
    for (std::uint64_t leaf = 0; leaf < geometry.leaf_count(); ++leaf) {
      ASSERT_EQ(geometry.leaf_extent(leaf).offset, at);
      at = geometry.leaf_extent(leaf).end();
    }
    EXPECT_EQ(at, bytes);
  }
}

TEST(Geometry, GrowsALevelAtEachPowerOfTheFanout) {
  const auto height = [](std::uint64_t chunks) { return Geometry{chunks * 4096, 4096}.height(); };
  EXPECT_EQ(height(0), 1U);
  EXPECT_EQ(height(1), 1U);
  std::uint64_t full = 1;
  for (std::uint32_t levels = 1; levels <= 7; ++levels) {
    full *= kFanout;
    EXPECT_EQ(height(full), levels);
    EXPECT_EQ(height(full + 1), levels + 1);
  }
  EXPECT_EQ((Geometry{kMaxDeviceBytes, kMinChunkBytes}.height()), kMaxHeight);
  EXPECT_EQ((Geometry{kMaxDeviceBytes, kMinChunkBytes}.chunk_count()), std::uint64_t{1} << 50);
}

}  // namespace
}  // namespace blkrewind::format
