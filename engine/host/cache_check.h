// What the page cache of an open block device contains, and whether it equals the device's content.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::host {

// Writes back dirty pages and drops all pages that can be dropped. Pages mapped by a process stay.
void drop_cache(int fd);

// Offsets of cached pages in `range`, at most kCachedPagesMax. An error if the kernel cannot tell.
inline constexpr std::size_t kCachedPagesMax = 16384;
[[nodiscard]] Result<std::vector<std::uint64_t>> cached_pages(int fd, const Extent& range);

// The first of these pages for which a buffered and a direct read differ.
[[nodiscard]] Result<std::optional<Extent>> first_stale_page(
    int fd, const std::vector<std::uint64_t>& pages);

}  // namespace blkrewind::host
