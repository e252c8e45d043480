// What the page cache of an open block device holds, and whether it is what the device holds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::host {

// Gives up the pages that can be had again; what is dirty is written back before. Pages that a
// process has mapped stay.
void drop_cache(int fd);

// Offsets of pages of `range` that are cached, at most kCachedPagesMax of them. An error when the
// kernel does not say.
inline constexpr std::size_t kCachedPagesMax = 16384;
[[nodiscard]] Result<std::vector<std::uint64_t>> cached_pages(int fd, const Extent& range);

// The first of these pages that a buffered read and a direct one see differently.
[[nodiscard]] Result<std::optional<Extent>> first_stale_page(
    int fd, const std::vector<std::uint64_t>& pages);

}  // namespace blkrewind::host
