#include "blkrewind/units.h"

#include <gtest/gtest.h>

#include "base/aligned_buffer.h"

namespace blkrewind {
namespace {

TEST(Extent, EndsBehindItsLastByte) {
  constexpr Extent extent{4096, 512};
  static_assert(extent.end() == 4608 && !extent.empty());
  static_assert(Extent{4096, 0}.empty());
  EXPECT_EQ(to_string(extent), "[offset 4096, length 512]");
}

TEST(ChunkBytes, ArePowersOfTwoFrom4KiBTo1MiB) {
  std::uint64_t valid = 0;
  for (std::uint64_t bytes = 0; bytes <= 3 * kMiB; bytes += 512) {
    if (is_valid_chunk_bytes(bytes)) ++valid;
  }
  EXPECT_EQ(valid, 9U);
  for (std::uint64_t bytes = 4096; bytes <= kMiB; bytes *= 2) {
    EXPECT_TRUE(is_valid_chunk_bytes(bytes)) << bytes;
    EXPECT_FALSE(is_valid_chunk_bytes(bytes + 1)) << bytes;
    EXPECT_FALSE(is_valid_chunk_bytes(bytes - 1)) << bytes;
  }
  EXPECT_FALSE(is_valid_chunk_bytes(0));
  EXPECT_FALSE(is_valid_chunk_bytes(2048));
  EXPECT_FALSE(is_valid_chunk_bytes(2 * kMiB));
  EXPECT_FALSE(is_valid_chunk_bytes((std::uint64_t{1} << 32) + 4096));
}

TEST(Alignment, RoundsUpDownAndAsks) {
  EXPECT_EQ(align_up(0, 4096), 0U);
  EXPECT_EQ(align_up(1, 4096), 4096U);
  EXPECT_EQ(align_up(4096, 4096), 4096U);
  EXPECT_EQ(align_up(4097, 4096), 8192U);
  EXPECT_EQ(align_down(8191, 4096), 4096U);
  EXPECT_EQ(align_down(4095, 4096), 0U);
  EXPECT_TRUE(is_aligned(8192, 4096));
  EXPECT_FALSE(is_aligned(8193, 4096));
  EXPECT_EQ(align_up(kMaxDeviceBytes - 1, kMaxChunkBytes), kMaxDeviceBytes);
}

TEST(FormatBytes, IsExactWhereItCanBe) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1 KiB");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(64 * kKiB), "64 KiB");
  EXPECT_EQ(format_bytes(kMiB), "1 MiB");
  EXPECT_EQ(format_bytes(kGiB + kGiB / 2), "1.50 GiB");
  EXPECT_EQ(format_bytes(16 * kTiB), "16 TiB");
  EXPECT_EQ(format_bytes(2048 * kTiB), "2048 TiB");
}

TEST(AlignedBuffer, IsAlignedAndMovesItsOwnership) {
  AlignedBuffer none;
  EXPECT_EQ(none.size(), 0U);
  AlignedBuffer buffer(5000);
  EXPECT_EQ(buffer.size(), 5000U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment, 0U);
  buffer.span().back() = std::byte{7};
  const std::byte* at = buffer.data();
  AlignedBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.data(), at);
  EXPECT_EQ(std::as_const(moved).span().back(), std::byte{7});
}

}  // namespace
}  // namespace blkrewind
