// What a store of version 1 has: one journal for all disks. Written as that version did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/digest.h"
#include "format/log_codec.h"
#include "format/records.h"

namespace blkrewind::format {

// Whole blocks.
[[nodiscard]] std::vector<std::byte> version1_record(const DigestSecret& secret,
                                                     std::uint64_t sequence,
                                                     const Transaction& transaction);

}  // namespace blkrewind::format
