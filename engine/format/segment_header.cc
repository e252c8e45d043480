#include "format/segment_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <type_traits>

namespace blkrewind::format {
namespace {

inline constexpr std::array<char, 8> kSegmentMagic = {'B', 'L', 'K', 'R', 'S', 'E', 'G', '\n'};

struct PackedSegmentHeader {
  std::array<char, 8> magic = kSegmentMagic;
  std::uint32_t version = 2;
  SegmentId id = 0;
  StoreUuid store{};
  std::uint64_t epoch = 0;
  DiskNumber disk = 0;
  std::uint32_t reserved0 = 0;
  std::uint64_t checksum = 0;  // of the whole block with this field zero; the last one written
  std::array<std::uint8_t, 4040> reserved1{};
};
static_assert(sizeof(PackedSegmentHeader) == kSegmentHeaderBytes);

struct PackedSegmentHeaderV1 {
  std::array<char, 8> magic = kSegmentMagic;
  std::uint32_t version = 1;
  SegmentId id = 0;
  StoreUuid store{};
  std::uint64_t checksum = 0;
  std::array<std::uint8_t, 4056> reserved{};
};
static_assert(sizeof(PackedSegmentHeaderV1) == kSegmentHeaderBytes);

using HeaderBlock = std::array<std::byte, kSegmentHeaderBytes>;

template <class Packed>
HeaderBlock block_of(const DigestSecret& secret, Packed packed, const SegmentHeader& header) {
  packed.id = header.id;
  packed.store = header.store;
  if constexpr (std::is_same_v<Packed, PackedSegmentHeader>) {
    packed.epoch = header.epoch;
    packed.disk = header.disk;
  }
  packed.checksum = checksum_of(secret, std::as_bytes(std::span(&packed, 1)));
  HeaderBlock block;
  std::memcpy(block.data(), &packed, sizeof packed);
  return block;
}

// As they are on the medium, under the epoch that `bytes` names, and as version 1 wrote them.
std::array<HeaderBlock, 2> blocks_like(const DigestSecret& secret, SegmentHeader header,
                                       std::span<const std::byte> bytes) {
  PackedSegmentHeader there;
  std::memcpy(&there, bytes.data(), std::min(bytes.size(), sizeof there));
  header.epoch = there.epoch;
  return {block_of(secret, PackedSegmentHeader(), header),
          block_of(secret, PackedSegmentHeaderV1(), header)};
}

}  // namespace

void encode_segment_header(const DigestSecret& secret, const SegmentHeader& header,
                           std::span<std::byte, kSegmentHeaderBytes> out) {
  std::ranges::copy(block_of(secret, PackedSegmentHeader(), header), out.begin());
}

Status check_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                            std::span<const std::byte, kSegmentHeaderBytes> bytes) {
  const auto right = blocks_like(secret, expected, bytes);
  if (std::ranges::equal(bytes, right[0]) || std::ranges::equal(bytes, right[1])) return {};
  return fail(Errc::kIntegrity,
              "segment " + std::to_string(expected.id) +
                  " does not start with the header of that segment of this disk and store");
}

bool may_become_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                               std::span<const std::byte> bytes) {
  if (bytes.size() > kSegmentHeaderBytes) return false;
  const auto right = blocks_like(secret, expected, bytes);
  return std::ranges::any_of(right, [&](const HeaderBlock& block) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] != std::byte{0} && bytes[i] != block[i]) return false;
    }
    return true;
  });
}

}  // namespace blkrewind::format
