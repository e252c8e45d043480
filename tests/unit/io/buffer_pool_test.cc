#include "io/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>

namespace blkrewind::io {
namespace {

BufferPool pool_of(std::uint32_t slots, std::uint32_t slot_bytes) {
  auto pool = BufferPool::make(slots, slot_bytes);
  if (!pool) {
    ADD_FAILURE() << pool.error().to_string();
    return {};
  }
  return std::move(*pool);
}

TEST(BufferPool, SlotsAreThoseThatWereAskedFor) {
  const BufferPool pool = pool_of(3, 8192);
  ASSERT_EQ(pool.slots().size(), 3U);
  for (const Slot& slot : pool.slots()) {
    std::memset(slot.data, 0xA5, slot.size_bytes);
    EXPECT_EQ(pool.slot_of(slot.data, slot.size_bytes), slot.index);
    EXPECT_EQ(pool.slot_of(slot.data + 4096, 4096), slot.index);
    EXPECT_EQ(pool.slot_of(slot.data + 4096, 8192), std::nullopt) << "over its end";
  }
  EXPECT_EQ(pool.slot_of(pool.slots().back().data + 8192, 1), std::nullopt);
}

// A mapping that was kept may be larger than what is asked for next.
TEST(BufferPool, MemoryBeyondTheSlotsIsInNoSlot) {
  { const BufferPool large = pool_of(8, 1U << 20U); }
  const BufferPool small = pool_of(2, 1U << 20U);
  const Slot& last = small.slots().back();
  EXPECT_EQ(small.slot_of(last.data + last.size_bytes, 4096), std::nullopt);
  EXPECT_EQ(small.slot_of(last.data, last.size_bytes), last.index);
}

TEST(BufferPool, TwoPoolsAtOnceShareNothing) {
  { const BufferPool before = pool_of(4, 1U << 20U); }
  const BufferPool first = pool_of(2, 1U << 20U);
  const BufferPool second = pool_of(2, 1U << 20U);
  for (const Slot& slot : first.slots()) {
    EXPECT_EQ(second.slot_of(slot.data, slot.size_bytes), std::nullopt);
  }
}

TEST(BufferPool, SizesThatAreNoMultipleOfAPageAreRefused) {
  for (const std::uint32_t bytes : {0U, 1U, 4095U, 6144U}) {
    const auto pool = BufferPool::make(1, bytes);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.error().code, Errc::kInvalidArgument);
  }
  EXPECT_TRUE(pool_of(0, 0).slots().empty());
}

}  // namespace
}  // namespace blkrewind::io
