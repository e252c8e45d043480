#include "format/log_codec.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/version1.h"
#include "unit/format/samples.h"

namespace blkrewind::format {
namespace {

using LogBlock = std::array<std::byte, kLogBlockBytes>;

constexpr std::size_t kHeaderVersionOffset = 8;
constexpr std::size_t kHeaderChecksumOffset = 48;
constexpr std::size_t kRecordLengthOffset = 4;
constexpr std::size_t kRecordHeaderBytes = 40;
constexpr std::size_t kRecordChecksumOffset = 24;

class LogCodec : public testing::Test {
 protected:
  const DigestSecret secret_ = test_secret(6);
  const StoreUuid store_ = {std::byte{9}, std::byte{8}, std::byte{7}};

  LogBlock header_block() const {
    LogBlock block;
    encode_log_header(secret_, {kLogVersion, store_, 7, 5, 600}, block);
    return block;
  }
  auto checksum() const {
    return [this](std::span<const std::byte> bytes) { return checksum_of(secret_, bytes); };
  }
  // The result of a replay of the bytes.
  std::optional<Result<Transaction>> read(std::span<const std::byte> bytes) const {
    const auto header = parse_record_header(bytes);
    if (!header || !record_is_intact(secret_, *header, bytes)) return {};
    return decode_record(*header, bytes);
  }
};

TEST_F(LogCodec, HeaderKeepsEveryField) {
  const auto decoded = decode_log_header(secret_, store_, header_block());
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(decoded->store, store_);
  EXPECT_EQ(decoded->version, kLogVersion);
  EXPECT_EQ(decoded->disk, 7U);
  EXPECT_EQ(decoded->generation, 5U);
  EXPECT_EQ(decoded->first_sequence, 600U);
}

TEST_F(LogCodec, HeaderNoticesEveryFlippedBit) {
  LogBlock block = header_block();
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    block[bit / 8] ^= mask;
    const auto decoded = decode_log_header(secret_, store_, block);
    ASSERT_FALSE(decoded) << "bit " << bit;
    ASSERT_EQ(decoded.error().code, Errc::kIntegrity) << "bit " << bit;
    ASSERT_FALSE(words_of(decoded.error()).empty());
    block[bit / 8] ^= mask;
  }
}

TEST_F(LogCodec, HeaderOfAnotherStoreOrANewerVersionIsRefused) {
  LogBlock block = header_block();
  EXPECT_EQ(decode_log_header(secret_, StoreUuid{}, block).error().code, Errc::kIntegrity);
  EXPECT_EQ(decode_log_header(test_secret(7), store_, block).error().code, Errc::kIntegrity);
  forge(block, kHeaderVersionOffset, std::uint32_t{3}, kHeaderChecksumOffset, checksum());
  EXPECT_EQ(decode_log_header(secret_, store_, block).error().code, Errc::kUnsupported);
}

TEST_F(LogCodec, ATornOrMissingTailIsNone) {
  LogBlock block;
  encode_log_tail(secret_, {3, 44}, block);
  const auto tail = decode_log_tail(secret_, block);
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->generation, 3U);
  EXPECT_EQ(tail->sequence, 44U);
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    block[bit / 8] ^= mask;
    ASSERT_FALSE(decode_log_tail(secret_, block)) << "bit " << bit;
    block[bit / 8] ^= mask;
  }
  EXPECT_FALSE(decode_log_tail(secret_, LogBlock{}));
  EXPECT_FALSE(decode_log_tail(test_secret(7), block));
}

TEST_F(LogCodec, RecordKeepsItsEntriesInOrder) {
  const Transaction transaction = {full_disk(), full_snapshot(), SegmentRecord{1, 2},
                                   SegmentRemoved{1}, Counters{3, 4, 5}};
  const auto bytes = encode_record(secret_, {7, 123, 3}, transaction);
  EXPECT_TRUE(is_aligned(bytes.size(), kLogBlockBytes));
  const auto header = parse_record_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->sequence, 123U);
  EXPECT_EQ(header->epoch, 3U);
  EXPECT_EQ(header->disk, 7U);
  EXPECT_EQ(record_bytes(*header), bytes.size());
  const auto decoded = read(bytes);
  ASSERT_TRUE(decoded && *decoded);
  EXPECT_EQ(**decoded, transaction);
}

TEST_F(LogCodec, RecordsFillWholeBlocks) {
  for (const std::size_t count : {0U, 1U, 200U, 202U, 1024U}) {
    const Transaction transaction(count, SegmentRecord{1, 2});  // 20 bytes each
    const auto bytes = encode_record(secret_, {7, 1, 3}, transaction);
    EXPECT_EQ(bytes.size(), align_up(kRecordHeaderBytes + 20 * count, kLogBlockBytes));
    const auto decoded = read(bytes);
    ASSERT_TRUE(decoded && *decoded) << count;
    EXPECT_EQ((*decoded)->size(), count);
  }
}

TEST_F(LogCodec, RecordNoticesEveryFlippedBit) {
  // Two blocks, the second one almost empty: padding is covered too.
  const Transaction transaction(204, SegmentRecord{1, 2});
  auto bytes = encode_record(secret_, {7, 9, 3}, transaction);
  ASSERT_EQ(bytes.size(), 2 * kLogBlockBytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    bytes[bit / 8] ^= mask;
    ASSERT_FALSE(read(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= mask;
  }
  EXPECT_TRUE(read(bytes));
}

TEST_F(LogCodec, AnyMissingEndOfARecordIsNoticed) {
  const Transaction transaction(700, SegmentRecord{1, 2});
  const auto bytes = encode_record(secret_, {7, 9, 3}, transaction);
  for (std::size_t length = 0; length < bytes.size(); length += 512) {
    EXPECT_FALSE(read(std::span(bytes).first(length))) << length;
    auto torn = bytes;
    std::memset(torn.data() + length, 0, torn.size() - length);
    // Truncated within the padding, the bytes would be the same.
    if (length < kRecordHeaderBytes + 20 * 700) {
      EXPECT_FALSE(read(torn)) << length;
    }
  }
  EXPECT_FALSE(record_is_intact(test_secret(7), *parse_record_header(bytes), bytes));
}

TEST_F(LogCodec, AHostileLengthIsNoRecord) {
  auto bytes = encode_record(secret_, {7, 9, 3}, {SegmentRecord{1, 2}});
  for (const std::uint32_t length : {kMaxRecordPayloadBytes + 1, 0xffffffffU}) {
    std::memcpy(bytes.data() + kRecordLengthOffset, &length, sizeof length);
    EXPECT_FALSE(parse_record_header(bytes)) << length;
  }
  // Allowed, but longer than the input.
  std::memcpy(bytes.data() + kRecordLengthOffset, &kMaxRecordPayloadBytes, 4);
  const auto header = parse_record_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_FALSE(record_is_intact(secret_, *header, bytes));
}

TEST_F(LogCodec, AnEpochOutOfRangeIsNoRecord) {
  const std::uint64_t last = std::uint64_t{1} << 63;
  EXPECT_TRUE(parse_record_header(encode_record(secret_, {7, 1, last}, {SegmentRecord{1, 2}})));
  EXPECT_FALSE(
      parse_record_header(encode_record(secret_, {7, 1, last + 1}, {SegmentRecord{1, 2}})));
}

// As the journal of a store of version 1 has them.
TEST_F(LogCodec, ARecordOfVersionOneIsRead) {
  const Transaction transaction = {SegmentRecord{1, 2}, SegmentRecord{3, 4}};
  const auto now = encode_record(secret_, {7, 9, 3}, transaction);
  const auto header = parse_record_header(now);
  ASSERT_TRUE(header);
  const auto old = version1_record(secret_, 9, transaction);
  const auto old_header = parse_record_header(old);
  ASSERT_TRUE(old_header);
  EXPECT_EQ(old_header->version, 1U);
  EXPECT_EQ(old_header->sequence, 9U);
  EXPECT_EQ(old_header->epoch, 0U);
  EXPECT_EQ(old_header->payload_bytes, header->payload_bytes);
  const auto decoded = read(old);
  ASSERT_TRUE(decoded && *decoded);
  EXPECT_EQ(**decoded, transaction);
}

}  // namespace
}  // namespace blkrewind::format
