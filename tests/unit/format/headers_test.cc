// The store's header and a segment's.
#include <gtest/gtest.h>

#include "format/segment_header.h"
#include "format/store_header.h"
#include "support/errors.h"
#include "unit/format/samples.h"

namespace blkrewind::format {
namespace {

using HeaderBlock = std::array<std::byte, kStoreHeaderBytes>;

constexpr std::size_t kVersionOffset = 8;
constexpr std::size_t kIncompatibleOffset = 32;
constexpr std::size_t kChecksumOffset = 40;

StoreUuid test_uuid() {
  StoreUuid uuid;
  for (std::size_t i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<std::byte>(i * 17 + 1);
  return uuid;
}

StoreHeader full_header() {
  StoreHeader header;
  header.compatible = 0xf0;
  header.read_only_compatible = 0xf1;
  header.uuid = test_uuid();
  header.created_at = 1'700'000'000;
  header.secret = test_secret(4);
  return header;
}

HeaderBlock encode(const StoreHeader& header) {
  HeaderBlock block;
  encode_store_header(header, block);
  return block;
}

template <class T>
Errc forged(std::size_t offset, T value) {
  HeaderBlock block = encode(full_header());
  forge(block, offset, value, kChecksumOffset, plain_checksum_of);
  const auto decoded = decode_store_header(block);
  return decoded ? Errc::kInternal : decoded.error().code;
}

TEST(StoreHeaderCodec, KeepsEveryField) {
  const StoreHeader header = full_header();
  const auto decoded = decode_store_header(encode(header));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(decoded->version, kFormatVersion);
  EXPECT_EQ(decoded->compatible, header.compatible);
  EXPECT_EQ(decoded->read_only_compatible, header.read_only_compatible);
  EXPECT_EQ(decoded->incompatible, 0U);
  EXPECT_EQ(decoded->uuid, header.uuid);
  EXPECT_EQ(decoded->created_at, header.created_at);
  EXPECT_EQ(decoded->secret, header.secret);
}

TEST(StoreHeaderCodec, NoticesEveryFlippedBit) {
  HeaderBlock block = encode(full_header());
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    block[bit / 8] ^= mask;
    const auto decoded = decode_store_header(block);
    ASSERT_FALSE(decoded) << "bit " << bit;
    ASSERT_EQ(decoded.error().code, Errc::kIntegrity) << "bit " << bit;
    ASSERT_FALSE(words_of(decoded.error()).empty());
    block[bit / 8] ^= mask;
  }
  EXPECT_TRUE(decode_store_header(block));
}

TEST(StoreHeaderCodec, TellsANewerStoreFromADamagedOne) {
  EXPECT_EQ(forged(kVersionOffset, kFormatVersion + 1), Errc::kUnsupported);
  EXPECT_EQ(forged(kVersionOffset, ~std::uint32_t{0}), Errc::kUnsupported);
  EXPECT_EQ(forged(kVersionOffset, std::uint32_t{0}), Errc::kIntegrity);
  static_assert(kKnownIncompatible == 1);
  for (unsigned bit = 1; bit < 64; ++bit) {
    EXPECT_EQ(forged(kIncompatibleOffset, std::uint64_t{1} << bit), Errc::kUnsupported) << bit;
  }
  EXPECT_EQ(decode_store_header(HeaderBlock{}).error().code, Errc::kIntegrity);
}

TEST(StoreUuidText, HasItsDashesInTheirPlaces) {
  EXPECT_EQ(to_string(test_uuid()), "01122334-4556-6778-899a-abbccddeef00");
}

TEST(SegmentHeaderCodec, AcceptsItsOwnAndNothingElse) {
  const DigestSecret secret = test_secret(4);
  const SegmentHeader header{test_uuid(), 5, 77, 9};
  std::array<std::byte, kSegmentHeaderBytes> block;
  encode_segment_header(secret, header, block);
  EXPECT_TRUE(check_segment_header(secret, {test_uuid(), 5, 77}, block)) << "of any epoch";
  EXPECT_FALSE(check_segment_header(secret, {test_uuid(), 6, 77}, block)) << "of another disk";
  EXPECT_FALSE(check_segment_header(secret, {test_uuid(), 5, 78}, block));
  EXPECT_FALSE(check_segment_header(secret, {StoreUuid{}, 5, 77}, block));
  EXPECT_FALSE(check_segment_header(test_secret(5), header, block));
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    block[bit / 8] ^= mask;
    const auto checked = check_segment_header(secret, header, block);
    ASSERT_FALSE(checked) << "bit " << bit;
    ASSERT_EQ(checked.error().code, Errc::kIntegrity);
    block[bit / 8] ^= mask;
  }
  const std::array<std::byte, kSegmentHeaderBytes> hole{};
  EXPECT_FALSE(check_segment_header(secret, header, hole));
}

// Sectors and even bytes may be lost, and the file may end early; every other byte is unchanged.
TEST(SegmentHeaderCodec, KnowsWhatAPowerCutLeavesOfIt) {
  const DigestSecret secret = test_secret(4);
  const SegmentHeader header{test_uuid(), 5, 77, 9};
  std::array<std::byte, kSegmentHeaderBytes> block;
  encode_segment_header(secret, header, block);
  for (const std::size_t length : {0, 1, 20, 512, 3584, 4096}) {
    auto part = block;
    EXPECT_TRUE(may_become_segment_header(secret, header, std::span(part).first(length))) << length;
    std::fill_n(part.begin(), length / 2, std::byte{0});
    EXPECT_TRUE(may_become_segment_header(secret, header, std::span(part).first(length))) << length;
    std::fill(part.begin(), part.end(), std::byte{0});
    EXPECT_TRUE(may_become_segment_header(secret, header, std::span(part).first(length))) << length;
  }
  EXPECT_FALSE(may_become_segment_header(secret, {test_uuid(), 5, 78}, block));
  EXPECT_FALSE(may_become_segment_header(secret, {StoreUuid{}, 5, 77}, block));
  EXPECT_FALSE(may_become_segment_header(test_secret(5), header, block));
  for (std::size_t at = 0; at < block.size(); ++at) {
    auto other = block;
    other[at] = block[at] == std::byte{0x5a} ? std::byte{0x5b} : std::byte{0x5a};
    ASSERT_FALSE(may_become_segment_header(secret, header, other)) << at;
  }
}

}  // namespace
}  // namespace blkrewind::format
