#include "format/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace blkrewind::format {
namespace {

using ::testing::ElementsAre;

TEST(ByteWriter, IsLittleEndian) {
  ByteWriter writer;
  writer.put(std::uint32_t{0x01020304});
  writer.put(std::int16_t{-2});
  writer.put_string("ab");
  EXPECT_THAT(writer.bytes(),
              ElementsAre(std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}, std::byte{0xfe},
                          std::byte{0xff}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0},
                          std::byte{'a'}, std::byte{'b'}));
}

TEST(ByteReader, ReadsWhatWasWritten) {
  ByteWriter writer;
  writer.put(std::numeric_limits<std::uint64_t>::max());
  writer.put(std::numeric_limits<std::int64_t>::min());
  writer.put_string("");
  writer.put_string(std::string("a\0b", 3));
  writer.put_raw(std::as_bytes(std::span("xyz", 3)));
  ByteReader reader(writer.bytes());
  EXPECT_EQ(reader.get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.get_string(), "");
  EXPECT_EQ(reader.get_string(), std::string("a\0b", 3));
  EXPECT_EQ(reader.remaining(), 3U);
  EXPECT_EQ(reader.get_bytes(3)[2], std::byte{'z'});
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, StaysFailedAfterTheEndAndReadsZeroes) {
  const std::array<std::byte, 6> bytes = {std::byte{1}, std::byte{2}, std::byte{3},
                                          std::byte{4}, std::byte{5}, std::byte{6}};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.get<std::uint32_t>(), 0x04030201U);
  EXPECT_EQ(reader.get<std::uint32_t>(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.get<std::uint8_t>(), 0U) << "a byte is left, but the reader has failed";
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_TRUE(reader.get_bytes(1).empty());
}

TEST(ByteReader, ALengthBeyondTheEndAllocatesNothing) {
  ByteWriter writer;
  writer.put(std::numeric_limits<std::uint32_t>::max());
  writer.put(std::uint8_t{'x'});
  ByteReader reader(writer.bytes());
  EXPECT_EQ(reader.get_string(), "");
  EXPECT_FALSE(reader.ok());

  ByteReader again(writer.bytes());
  EXPECT_TRUE(again.get_bytes(std::numeric_limits<std::size_t>::max()).empty());
  EXPECT_FALSE(again.ok());
}

TEST(ByteReader, CanBeToldThatAValueMakesNoSense) {
  const std::array<std::byte, 2> bytes{};
  ByteReader reader(bytes);
  reader.invalidate();
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

}  // namespace
}  // namespace blkrewind::format
