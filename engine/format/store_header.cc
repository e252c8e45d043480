#include "format/store_header.h"

#include <cstdio>
#include <cstring>

#include "format/bytes.h"

namespace blkrewind::format {
namespace {

inline constexpr std::array<char, 8> kStoreMagic = {'B', 'L', 'K', 'R', 'W', 'N', 'D', '\n'};

struct PackedStoreHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t reserved0;
  std::uint64_t compatible;
  std::uint64_t read_only_compatible;
  std::uint64_t incompatible;
  std::uint64_t
      checksum;  // of the whole block with this field zero; at the same place in every version
  StoreUuid uuid;
  std::int64_t created_at;
  std::uint64_t reserved1;
  DigestSecret secret;
  std::uint8_t reserved2[3824];
};
static_assert(sizeof(PackedStoreHeader) == kStoreHeaderBytes);

}  // namespace

void encode_store_header(const StoreHeader& header, std::span<std::byte, kStoreHeaderBytes> out) {
  PackedStoreHeader packed{};
  packed.magic = kStoreMagic;
  packed.version = header.version;
  packed.compatible = header.compatible;
  packed.read_only_compatible = header.read_only_compatible;
  packed.incompatible = header.incompatible;
  packed.uuid = header.uuid;
  packed.created_at = header.created_at;
  packed.secret = header.secret;
  packed.checksum = plain_checksum_of(std::as_bytes(std::span(&packed, 1)));
  std::memcpy(out.data(), &packed, sizeof packed);
}

bool begins_store_header(std::span<const std::byte> bytes) {
  return bytes.size() >= kStoreMagic.size() &&
         std::memcmp(bytes.data(), kStoreMagic.data(), kStoreMagic.size()) == 0;
}

Result<StoreHeader> decode_store_header(std::span<const std::byte, kStoreHeaderBytes> bytes) {
  PackedStoreHeader packed;
  std::memcpy(&packed, bytes.data(), sizeof packed);
  if (packed.magic != kStoreMagic) {
    return fail(Errc::kIntegrity,
                "this is not a blkrewind store: the format file has another signature",
                Remedy("name the folder of a store").or_else({Verb::kStoreInit, "make one"}));
  }
  const std::uint64_t checksum = packed.checksum;
  packed.checksum = 0;
  if (plain_checksum_of(std::as_bytes(std::span(&packed, 1))) != checksum) {
    return fail(Errc::kIntegrity, "the store's format file is damaged: its checksum does not match",
                "bring the file STORE/format back from a backup; nothing else holds its secret");
  }
  if (packed.version > kFormatVersion) {
    return fail(Errc::kUnsupported,
                "the store has format version " + std::to_string(packed.version) +
                    ", this program supports versions up to " + std::to_string(kFormatVersion),
                "use a newer blkrewind for this store");
  }
  if (packed.version == 0) {
    return fail(Errc::kIntegrity, "the store's format file has version 0");
  }
  if ((packed.incompatible & ~kKnownIncompatible) != 0) {
    return fail(Errc::kUnsupported, "the store uses features that this program does not know",
                "use a newer blkrewind for this store");
  }
  StoreHeader header;
  header.version = packed.version;
  header.compatible = packed.compatible;
  header.read_only_compatible = packed.read_only_compatible;
  header.incompatible = packed.incompatible;
  header.uuid = packed.uuid;
  header.created_at = packed.created_at;
  header.secret = packed.secret;
  return header;
}

std::string to_string(const StoreUuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    std::array<char, 4> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", std::to_integer<unsigned>(uuid[i]));
    text += hex.data();
    if (i == 3 || i == 5 || i == 7 || i == 9) text += '-';
  }
  return text;
}

}  // namespace blkrewind::format
