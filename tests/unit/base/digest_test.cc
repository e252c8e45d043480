#include "base/digest.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "unit/format/samples.h"

namespace blkrewind {
namespace {

using format::random_bytes;
using format::test_secret;

// The rule of docs/FORMAT.md in the library's portable code: what the engine computes with the
// vector instructions of this machine must be the same on every other.
Digest by_the_book(const DigestSecret& secret, std::span<const std::byte> bytes,
                   DigestDomain domain, std::uint32_t level, std::uint64_t position) {
  const auto content =
      XXH3_128bits_withSecret(bytes.data(), bytes.size(), secret.data(), secret.size());
  std::array<std::byte, 40> binding;
  const std::uint64_t length = bytes.size();
  const auto number = static_cast<std::uint32_t>(domain);
  std::memcpy(binding.data(), &content.low64, 8);
  std::memcpy(binding.data() + 8, &content.high64, 8);
  std::memcpy(binding.data() + 16, &position, 8);
  std::memcpy(binding.data() + 24, &length, 8);
  std::memcpy(binding.data() + 32, &number, 4);
  std::memcpy(binding.data() + 36, &level, 4);
  const auto bound =
      XXH3_128bits_withSecret(binding.data(), binding.size(), secret.data(), secret.size());
  return {bound.low64, bound.high64};
}

TEST(DigestOf, IsWhatTheFormatSays) {
  const DigestSecret secret = test_secret(1);
  for (const std::size_t size : {0, 1, 16, 17, 128, 129, 240, 241, 1024, 4096, 65536, 65537}) {
    const auto bytes = random_bytes(size, size);
    EXPECT_EQ(digest_of(secret, bytes, DigestDomain::kChunk, 0, 7),
              by_the_book(secret, bytes, DigestDomain::kChunk, 0, 7))
        << size;
    EXPECT_EQ(digest_of(secret, bytes, DigestDomain::kNode, 3, std::uint64_t{1} << 50),
              by_the_book(secret, bytes, DigestDomain::kNode, 3, std::uint64_t{1} << 50))
        << size;
  }
}

// Constant: stores written by older versions must be readable.
TEST(DigestOf, NeverChanges) {
  DigestSecret secret;
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::byte>(i * 37 + 11);
  std::vector<std::byte> bytes(4096);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  EXPECT_EQ(to_hex(digest_of(secret, bytes, DigestDomain::kChunk, 0, 5)),
            "89a1269cbb334951ad19253ea6d38e08");
  EXPECT_EQ(checksum_of(secret, bytes), 1860763608895654599U);
  EXPECT_EQ(plain_checksum_of(bytes), 6661436950822490212U);
}

TEST(DigestOf, NoticesEveryBitPlaceDomainLevelLengthAndSecret) {
  const DigestSecret secret = test_secret(1);
  auto bytes = random_bytes(300, 5);  // over 240 bytes XXH3 takes another path
  std::set<Digest> seen = {digest_of(secret, bytes, DigestDomain::kChunk, 0, 5)};
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    bytes[bit / 8] ^= mask;
    EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kChunk, 0, 5)).second) << bit;
    bytes[bit / 8] ^= mask;
  }
  for (std::uint64_t position = 0; position < 64; ++position) {
    if (position == 5) continue;
    EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kChunk, 0, position)).second);
  }
  EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kNode, 0, 5)).second);
  EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kRoot, 0, 5)).second);
  EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kNode, 1, 5)).second);
  bytes.push_back(std::byte{0});
  EXPECT_TRUE(seen.insert(digest_of(secret, bytes, DigestDomain::kChunk, 0, 5)).second);
  bytes.pop_back();
  EXPECT_TRUE(seen.insert(digest_of(test_secret(2), bytes, DigestDomain::kChunk, 0, 5)).second);
  for (const Digest& digest : seen) EXPECT_FALSE(digest.is_zero());
}

TEST(DigestOf, SwappedChunksDoNotMatch) {
  const DigestSecret secret = test_secret(1);
  const auto chunk = random_bytes(65536, 3);
  EXPECT_NE(digest_of(secret, chunk, DigestDomain::kChunk, 0, 1),
            digest_of(secret, chunk, DigestDomain::kChunk, 0, 2));
}

TEST(Checksum, DependsOnTheSecretOnlyWhereOneIsGiven) {
  const auto bytes = random_bytes(4096, 3);
  EXPECT_EQ(checksum_of(test_secret(1), bytes), checksum_of(test_secret(1), bytes));
  EXPECT_NE(checksum_of(test_secret(1), bytes), checksum_of(test_secret(2), bytes));
  EXPECT_NE(checksum_of(test_secret(1), bytes), plain_checksum_of(bytes));
}

TEST(AllZero, SeesEveryByteOfEveryLength) {
  for (std::size_t size = 0; size <= 70; ++size) {
    std::vector<std::byte> bytes(size);
    EXPECT_TRUE(is_all_zero(bytes)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      bytes[at] = std::byte{1};
      EXPECT_FALSE(is_all_zero(bytes)) << size << " at " << at;
      bytes[at] = std::byte{0};
    }
  }
  std::vector<std::byte> chunk(65536);
  EXPECT_TRUE(is_all_zero(chunk));
  for (const std::size_t at : {0, 15, 16, 17, 31, 32, 4095, 4096, 65519, 65520, 65535}) {
    chunk[at] = std::byte{0x80};
    EXPECT_FALSE(is_all_zero(chunk)) << at;
    chunk[at] = std::byte{0};
  }
}

TEST(ToHex, HighHalfFirstWithAllZeroes) {
  EXPECT_EQ(to_hex({}), std::string(32, '0'));
  EXPECT_EQ(to_hex({.low = 0xab, .high = 0x0123456789abcdefU}), "0123456789abcdef00000000000000ab");
}

}  // namespace
}  // namespace blkrewind
