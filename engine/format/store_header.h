// The file STORE/format: version and features of the store, and the digest secret. 4096 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/digest.h"
#include "blkrewind/error.h"

namespace blkrewind::format {

inline constexpr std::uint32_t kFormatVersion = 2;
inline constexpr std::size_t kStoreHeaderBytes = 4096;

// Feature words. A program that does not know a bit of `incompatible` must not open the store; of
// `read_only_compatible`, must not write to it; of `compatible`, may ignore it.
// kUpgrading: `store upgrade` is moving segments to their disks, and was interrupted if no process
// does so now.
inline constexpr std::uint64_t kUpgrading = 1;
inline constexpr std::uint64_t kKnownIncompatible = kUpgrading;
inline constexpr std::uint64_t kKnownReadOnlyCompatible = 0;

using StoreUuid = std::array<std::byte, 16>;

struct StoreHeader {
  std::uint32_t version = kFormatVersion;
  std::uint64_t compatible = 0;
  std::uint64_t read_only_compatible = 0;
  std::uint64_t incompatible = 0;
  StoreUuid uuid{};
  std::int64_t created_at = 0;
  DigestSecret secret{};
};

void encode_store_header(const StoreHeader& header, std::span<std::byte, kStoreHeaderBytes> out);

// kUnsupported for a newer version or unknown incompatible features (magic and checksum keep their
// places in every version, so that a newer one can be distinguished from damage); kIntegrity for
// anything else.
[[nodiscard]] Result<StoreHeader> decode_store_header(
    std::span<const std::byte, kStoreHeaderBytes> bytes);

// Whether they start as a format file does, regardless of what follows.
[[nodiscard]] bool begins_store_header(std::span<const std::byte> bytes);

// "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
[[nodiscard]] std::string to_string(const StoreUuid& uuid);

}  // namespace blkrewind::format
