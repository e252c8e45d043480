// The first block of a segment: identifies store and segment. 4096 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/records.h"
#include "format/store_header.h"

namespace blkrewind::format {

inline constexpr std::size_t kSegmentHeaderBytes = 4096;

struct SegmentHeader {
  StoreUuid store{};
  DiskNumber disk = 0;
  SegmentId id = 0;
  std::uint64_t epoch = 0;  // of the owner that created it
};

void encode_segment_header(const DigestSecret& secret, const SegmentHeader& header,
                           std::span<std::byte, kSegmentHeaderBytes> out);
// kIntegrity unless it is the header of segment `id` of this disk of this store, under any epoch.
// The header of a segment that was made in a store of version 1 names no disk: ids were of the
// whole store.
[[nodiscard]] Status check_segment_header(const DigestSecret& secret, const SegmentHeader& expected,
                                          std::span<const std::byte, kSegmentHeaderBytes> bytes);
// Whether `bytes`, the start of a file that may end within its header, may be the result of a power
// cut while that header was written, by an owner of any epoch: each byte is the header's, or still
// zero.
[[nodiscard]] bool may_become_segment_header(const DigestSecret& secret,
                                             const SegmentHeader& expected,
                                             std::span<const std::byte> bytes);

}  // namespace blkrewind::format
