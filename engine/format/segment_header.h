// The first block of a segment: whose it is. 4096 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/store_header.h"

namespace blkrewind::format {

inline constexpr std::size_t kSegmentHeaderBytes = 4096;

struct SegmentHeader {
  StoreUuid store{};
  std::uint32_t id = 0;
};

void encode_segment_header(const DigestSecret& secret, const SegmentHeader& header,
                           std::span<std::byte, kSegmentHeaderBytes> out);
// kIntegrity unless it is the header of segment `id` of this store.
[[nodiscard]] Status check_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                                          std::span<const std::byte, kSegmentHeaderBytes> bytes);
// Whether `bytes`, the beginning of a file that may end within its header, are what a power cut may
// have left of that header while it was written: each byte is the header's, or zero still.
[[nodiscard]] bool may_become_segment_header(const DigestSecret& secret,
                                             const SegmentHeader& expected,
                                             std::span<const std::byte> bytes);

}  // namespace blkrewind::format
