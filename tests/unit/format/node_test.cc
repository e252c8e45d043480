#include "format/node.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "unit/format/samples.h"

namespace blkrewind::format {
namespace {

constexpr std::size_t kNodeVersionOffset = 4;
constexpr std::size_t kLevelOffset = 6;
constexpr std::size_t kIndexOffset = 8;
constexpr std::size_t kNodeChecksumOffset = 16;
constexpr std::size_t kDigestsOffset = 512;
constexpr std::size_t kPlacesOffset = kDigestsOffset + 16 * kFanout;
constexpr std::size_t kPlaceBytes = 12;

using NodeBlock = std::array<std::byte, kNodeBytes>;

class NodeCodec : public testing::Test {
 protected:
  const DigestSecret secret_ = test_secret(1);

  NodeBlock encode(const Node& node) const {
    NodeBlock block;
    encode_node(secret_, node, block);
    return block;
  }
  Result<Node> decode(const NodeBlock& block, const Node& expected) const {
    return decode_node(secret_, block, expected.level, expected.index,
                       node_digest(secret_, expected));
  }
  template <class T>
  void forge_at(NodeBlock& block, std::size_t offset, T value) const {
    forge(block, offset, value, kNodeChecksumOffset,
          [&](std::span<const std::byte> bytes) { return checksum_of(secret_, bytes); });
  }
  // The node with that one entry, written and read back.
  Result<Node> with_entry(std::uint32_t level, const Entry& entry) const {
    Node node;
    node.level = level;
    node.index = 3;
    node.entries[5] = entry;
    return decode(encode(node), node);
  }
};

TEST_F(NodeCodec, KeepsEveryField) {
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{77}, std::uint64_t{1} << 43}) {
    const Node node = mixed_leaf(index);
    const auto decoded = decode(encode(node), node);
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_EQ(decoded->level, node.level);
    EXPECT_EQ(decoded->index, node.index);
    EXPECT_EQ(decoded->entries, node.entries);
  }
  Node inner;
  inner.level = 7;
  inner.index = 0;
  for (std::uint32_t i = 0; i < kFanout; ++i) {
    inner.entries[i] = {EntryState::kStored, Codec::kNone, i + 1, i + 2, kNodeBytes, {i, i + 3}};
  }
  const auto decoded = decode(encode(inner), inner);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(decoded->entries, inner.entries);
  EXPECT_EQ(decoded->level, 7U);
}

TEST_F(NodeCodec, NoticesEveryFlippedBit) {
  const Node node = mixed_leaf(9);
  NodeBlock block = encode(node);
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    block[bit / 8] ^= mask;
    const auto decoded = decode(block, node);
    ASSERT_FALSE(decoded) << "bit " << bit;
    ASSERT_EQ(decoded.error().code, Errc::kIntegrity) << "bit " << bit;
    block[bit / 8] ^= mask;
  }
  EXPECT_TRUE(decode(block, node));
}

TEST_F(NodeCodec, RefusesWhatIsNotThisNode) {
  const Node node = mixed_leaf(9);
  const NodeBlock block = encode(node);
  const Digest digest = node_digest(secret_, node);
  EXPECT_FALSE(decode_node(secret_, block, 0, 10, digest));
  EXPECT_FALSE(decode_node(secret_, block, 1, 9, digest));
  EXPECT_FALSE(decode_node(secret_, block, 0, 9, {digest.low ^ 1U, digest.high}));
  EXPECT_FALSE(decode_node(test_secret(2), block, 0, 9, digest)) << "of another store";
  EXPECT_FALSE(decode(NodeBlock{}, node)) << "a hole";
  const auto older = mixed_leaf(10);
  EXPECT_FALSE(decode(encode(older), node));
}

TEST_F(NodeCodec, ANewerVersionIsUnsupportedNotDamaged) {
  const Node node = mixed_leaf(9);
  NodeBlock block = encode(node);
  forge_at(block, kNodeVersionOffset, std::uint16_t{2});
  const auto decoded = decode(block, node);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::kUnsupported);
  EXPECT_FALSE(words_of(decoded.error()).empty());
}

TEST_F(NodeCodec, AForgedPlaceIsRefused) {
  const Node node = mixed_leaf(9);
  NodeBlock block = encode(node);
  forge_at(block, kIndexOffset, std::uint64_t{10});
  EXPECT_FALSE(decode(block, node));
  block = encode(node);
  forge_at(block, kLevelOffset, std::uint16_t{1});
  EXPECT_FALSE(decode(block, node));
  block = encode(node);
  forge_at(block, kDigestsOffset, std::uint64_t{1});
  EXPECT_FALSE(decode(block, node)) << "a child's digest that the parent's does not cover";
}

TEST_F(NodeCodec, EntriesThatMakeNoSenseAreRefused) {
  const Entry chunk{EntryState::kStored, Codec::kNone, 1, 1, 4096, {1, 0}};
  EXPECT_TRUE(with_entry(0, chunk));
  EXPECT_TRUE(with_entry(1, chunk)) << "as long as a node";
  Entry entry = chunk;
  entry.segment = 0;
  EXPECT_FALSE(with_entry(0, entry));
  entry = chunk;
  entry.block = 0;
  EXPECT_FALSE(with_entry(0, entry)) << "the segment's own header";
  entry = chunk;
  entry.length_bytes = 0;
  EXPECT_FALSE(with_entry(0, entry));
  entry.length_bytes = kMaxChunkBytes;
  EXPECT_TRUE(with_entry(0, entry));
  entry.length_bytes = kMaxChunkBytes + 1;
  EXPECT_FALSE(with_entry(0, entry));
  entry.length_bytes = 4095;
  EXPECT_FALSE(with_entry(1, entry)) << "below an inner node there are whole nodes";
  entry = chunk;
  entry.digest = {};
  EXPECT_FALSE(with_entry(0, entry)) << "zero is the digest of zeroes";
  entry = {.state = EntryState::kZero, .digest = {1, 0}};
  EXPECT_FALSE(with_entry(0, entry));
  entry = {};
  entry.segment = 1;
  EXPECT_FALSE(with_entry(0, entry));
  entry = {.state = EntryState::kAbsent, .digest = {1, 0}};
  EXPECT_TRUE(with_entry(0, entry));
  entry.segment = 1;
  EXPECT_FALSE(with_entry(0, entry));
  entry = {.state = EntryState::kAbsent, .digest = {}};
  EXPECT_FALSE(with_entry(0, entry));
  entry = chunk;
  entry.state = EntryState::kOnDevice;
  EXPECT_FALSE(with_entry(0, entry)) << "reserved";
  entry.state = static_cast<EntryState>(9);
  EXPECT_FALSE(with_entry(0, entry));
  entry = chunk;
  entry.codec = static_cast<Codec>(1);
  EXPECT_FALSE(with_entry(0, entry)) << "compression is not known yet";
}

TEST_F(NodeCodec, ThePlaceOfAnEntryIsWhereTheFormatSays) {
  Node node;
  node.entries[2] = {EntryState::kStored, Codec::kNone, 0x01020304, 0x05060708, 0x0a0b, {1, 2}};
  const NodeBlock block = encode(node);
  const std::size_t at = kPlacesOffset + 2 * kPlaceBytes;
  EXPECT_EQ(block[at], std::byte{4});
  EXPECT_EQ(block[at + 4], std::byte{8});
  EXPECT_EQ(block[at + 8], std::byte{0x0b});
  EXPECT_EQ(block[at + 11], std::byte{1}) << "the state";
  EXPECT_EQ(block[kDigestsOffset + 2 * 16], std::byte{1});
  EXPECT_EQ(block[kDigestsOffset + 2 * 16 + 8], std::byte{2});
}

TEST_F(NodeCodec, TheDigestIsOfTheContentNotOfItsPlace) {
  Node node = mixed_leaf(9);
  const Digest digest = node_digest(secret_, node);
  node.entries[0].segment += 2;
  node.entries[0].block += 2;
  EXPECT_EQ(node_digest(secret_, node), digest);
  node.entries[0].digest.high ^= 1;
  EXPECT_NE(node_digest(secret_, node), digest);
  node = mixed_leaf(9);
  std::swap(node.entries[0], node.entries[3]);
  EXPECT_NE(node_digest(secret_, node), digest) << "the order counts";
}

TEST_F(NodeCodec, TheRootDigestBindsTheGeometry) {
  const Digest root{1, 2};
  const Geometry geometry{kGiB, 65536};
  const Digest digest = root_digest(secret_, geometry, root);
  EXPECT_EQ(digest, root_digest(secret_, geometry, root));
  EXPECT_NE(digest, root_digest(secret_, {kGiB + 512, 65536}, root));
  EXPECT_NE(digest, root_digest(secret_, {kGiB, 32768}, root));
  EXPECT_NE(digest, root_digest(secret_, geometry, {1, 3}));
  EXPECT_NE(digest, root_digest(test_secret(2), geometry, root));
  EXPECT_FALSE(root_digest(secret_, geometry, {}).is_zero()) << "of a device that is all zero";
}

TEST_F(NodeCodec, IsZeroLooksAtEveryEntry) {
  Node node;
  EXPECT_TRUE(node.is_zero());
  for (Entry& entry : node.entries) {
    entry.state = EntryState::kAbsent;
    EXPECT_FALSE(node.is_zero());
    entry = {};
  }
}

}  // namespace
}  // namespace blkrewind::format
