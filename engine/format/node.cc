#include "format/node.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "format/bytes.h"

namespace blkrewind::format {
namespace {

inline constexpr std::uint32_t kNodeMagic = 0x45444f4e;  // "NODE"

struct PackedPlace {
  std::uint32_t segment;
  std::uint32_t block;
  std::uint32_t length_and_state;  // bits 0..23 length, 24..27 state, 28..31 codec
};
static_assert(sizeof(PackedPlace) == 12);

struct PackedNode {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t level;
  std::uint64_t index;
  std::uint64_t checksum;  // of the whole block with this field zero
  std::uint8_t reserved[488];
  Digest digests[kFanout];
  PackedPlace places[kFanout];
};
static_assert(sizeof(PackedNode) == kNodeBytes);
static_assert(kMaxChunkBytes < (1U << 24));

PackedPlace pack(const Entry& entry) {
  return {entry.segment, entry.block,
          entry.length_bytes | static_cast<std::uint32_t>(entry.state) << 24 |
              static_cast<std::uint32_t>(entry.codec) << 28};
}

tl::unexpected<Error> damaged(std::uint32_t level, std::uint64_t index, const char* what) {
  return fail(Errc::kIntegrity, "tree node (level " + std::to_string(level) + ", index " +
                                    std::to_string(index) + ") is damaged: " + what);
}

}  // namespace

bool is_sound_entry(const Entry& entry, std::uint32_t level) {
  const std::uint32_t length_max = level == 0 ? kMaxChunkBytes : kNodeBytes;
  switch (entry.state) {
    case EntryState::kZero:
      return entry == Entry{};
    case EntryState::kStored:
      return entry.codec == Codec::kNone && entry.segment != 0 && entry.block != 0 &&
             entry.length_bytes != 0 && entry.length_bytes <= length_max &&
             (level == 0 || entry.length_bytes == kNodeBytes) && !entry.digest.is_zero();
    case EntryState::kAbsent:
      return entry.codec == Codec::kNone && entry.segment == 0 && entry.block == 0 &&
             entry.length_bytes == 0 && !entry.digest.is_zero();
    case EntryState::kOnDevice:
      return false;
  }
  return false;
}

bool Node::is_zero() const {
  return std::ranges::all_of(entries, [](const Entry& entry) { return entry.is_zero(); });
}

Digest node_digest(const DigestSecret& secret, const Node& node) {
  std::array<Digest, kFanout> digests;
  std::ranges::transform(node.entries, digests.begin(), &Entry::digest);
  return digest_of(secret, std::as_bytes(std::span(digests)), DigestDomain::kNode, node.level,
                   node.index);
}

Digest root_digest(const DigestSecret& secret, const Geometry& geometry, const Digest& root_node) {
  ByteWriter writer;
  writer.put(geometry.device_bytes);
  writer.put(geometry.chunk_bytes);
  writer.put(geometry.height());
  writer.put(root_node.low);
  writer.put(root_node.high);
  return digest_of(secret, writer.bytes(), DigestDomain::kRoot, 0, 0);
}

void encode_node(const DigestSecret& secret, const Node& node,
                 std::span<std::byte, kNodeBytes> out) {
  PackedNode packed{};
  packed.magic = kNodeMagic;
  packed.version = 1;
  packed.level = static_cast<std::uint16_t>(node.level);
  packed.index = node.index;
  for (std::size_t i = 0; i < kFanout; ++i) {
    packed.digests[i] = node.entries[i].digest;
    packed.places[i] = pack(node.entries[i]);
  }
  packed.checksum = checksum_of(secret, std::as_bytes(std::span(&packed, 1)));
  std::memcpy(out.data(), &packed, sizeof packed);
}

Result<Node> decode_node(const DigestSecret& secret, std::span<const std::byte, kNodeBytes> bytes,
                         std::uint32_t level, std::uint64_t index, const Digest& expected) {
  PackedNode packed;
  std::memcpy(&packed, bytes.data(), sizeof packed);
  if (packed.magic != kNodeMagic) return damaged(level, index, "no node is stored there");
  const std::uint64_t checksum = packed.checksum;
  packed.checksum = 0;
  if (checksum_of(secret, std::as_bytes(std::span(&packed, 1))) != checksum) {
    return damaged(level, index, "its checksum does not match");
  }
  if (packed.version != 1) {
    return fail(Errc::kUnsupported, "tree node of version " + std::to_string(packed.version),
                "use a newer blkrewind");
  }
  if (packed.level != level || packed.index != index) {
    return damaged(level, index, "it is a node of another position");
  }
  Node node;
  node.level = level;
  node.index = index;
  for (std::size_t i = 0; i < kFanout; ++i) {
    const PackedPlace& place = packed.places[i];
    Entry& entry = node.entries[i];
    entry.state = static_cast<EntryState>(place.length_and_state >> 24 & 0xf);
    entry.codec = static_cast<Codec>(place.length_and_state >> 28);
    entry.segment = place.segment;
    entry.block = place.block;
    entry.length_bytes = place.length_and_state & 0xffffff;
    entry.digest = packed.digests[i];
    if (!is_sound_entry(entry, level)) return damaged(level, index, "an entry is invalid");
  }
  if (node_digest(secret, node) != expected) {
    return damaged(level, index, "its digest differs from the one in its parent");
  }
  return node;
}

Status check_node_end(const Node& node, const Geometry& geometry) {
  const std::uint64_t chunks_per_entry = std::uint64_t{1} << (kFanoutBits * node.level);
  const std::uint64_t entries =
      (geometry.chunk_count() + chunks_per_entry - 1) >> (kFanoutBits * node.level);
  for (std::uint64_t i = 0; i < kFanout; ++i) {
    // At most 54 bits: kMaxDeviceBytes in the smallest chunks, and eight levels above leaves.
    const std::uint64_t entry = (node.index << kFanoutBits) + i;
    if (entry >= entries && !node.entries[i].is_zero()) {
      return damaged(node.level, node.index, "it has chunks beyond the end of the device");
    }
  }
  return {};
}

}  // namespace blkrewind::format
