#include "format/segment_header.h"

#include <array>
#include <cstring>
#include <string>

namespace blkrewind::format {
namespace {

inline constexpr std::array<char, 8> kSegmentMagic = {'B', 'L', 'K', 'R', 'S', 'E', 'G', '\n'};

struct PackedSegmentHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t id;
  StoreUuid store;
  std::uint64_t checksum;  // of the whole block with this field zero
  std::uint8_t reserved[4056];
};
static_assert(sizeof(PackedSegmentHeader) == kSegmentHeaderBytes);

}  // namespace

void encode_segment_header(const DigestSecret& secret, const SegmentHeader& header,
                           std::span<std::byte, kSegmentHeaderBytes> out) {
  PackedSegmentHeader packed{};
  packed.magic = kSegmentMagic;
  packed.version = 1;
  packed.id = header.id;
  packed.store = header.store;
  packed.checksum = checksum_of(secret, std::as_bytes(std::span(&packed, 1)));
  std::memcpy(out.data(), &packed, sizeof packed);
}

Status check_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                            std::span<const std::byte, kSegmentHeaderBytes> bytes) {
  std::array<std::byte, kSegmentHeaderBytes> right;
  encode_segment_header(secret, expected, right);
  if (std::memcmp(right.data(), bytes.data(), right.size()) != 0) {
    return fail(Errc::kIntegrity,
                "segment " + std::to_string(expected.id) +
                    " does not start with the header of that segment of this store");
  }
  return {};
}

bool may_become_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                               std::span<const std::byte> bytes) {
  std::array<std::byte, kSegmentHeaderBytes> right;
  encode_segment_header(secret, expected, right);
  if (bytes.size() > right.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != std::byte{0} && bytes[i] != right[i]) return false;
  }
  return true;
}

}  // namespace blkrewind::format
