// The placeholder in an undo snapshot for data that the device could not read.
//
// Neither zeroes nor whatever a buffer contained: text that explains itself to a reader of the
// bytes, and that equals nothing a snapshot holds (`id` is new for each operation). A chunk with
// such a sector therefore differs from every other, by definition.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "blkrewind/units.h"

namespace blkrewind::pipeline {

inline constexpr std::size_t kPlaceholderBytes = 512;

// `bytes`: those of `where` on the device. Each 512 of them get their own placeholder.
inline void put_unreadable_placeholder(std::span<std::byte> bytes, const Extent& where,
                                       const std::string& id) {
  for (std::size_t at = 0; at < bytes.size(); at += kPlaceholderBytes) {
    const std::span<std::byte> sector =
        bytes.subspan(at, std::min(kPlaceholderBytes, bytes.size() - at));
    const std::string text = "blkrewind: this sector could not be read; offset " +
                             std::to_string(where.offset + at) + "; operation " + id + "\n";
    std::memset(sector.data(), 0, sector.size());
    std::memcpy(sector.data(), text.data(), std::min(text.size(), sector.size()));
  }
}

}  // namespace blkrewind::pipeline
