// The ranges of a device that differ between two of its states, to be asked about many small
// ranges.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::cli {

class ChangedExtents {
 public:
  // Beyond so many ranges neighbours are joined: more is taken for changed, and memory stays small.
  static constexpr std::size_t kMost = 1U << 20;

  // In ascending order.
  void add(const Extent& extent) {
    if (!extents_.empty() && extent.offset <= extents_.back().end() + gap_) {
      extents_.back().length = extent.end() - extents_.back().offset;
      return;
    }
    extents_.push_back(extent);
    while (extents_.size() > kMost) join_neighbours();
  }
  // Whether any byte of the range may differ.
  [[nodiscard]] bool touch(const Extent& range) const {
    const auto after = std::ranges::upper_bound(extents_, range.offset, {},
                                                [](const Extent& extent) { return extent.end(); });
    return !range.empty() && after != extents_.end() && after->offset < range.end();
  }
  [[nodiscard]] bool empty() const { return extents_.empty(); }

 private:
  void join_neighbours() {
    gap_ = std::max<std::uint64_t>(2 * gap_, kDefaultChunkBytes);
    std::vector<Extent> joined;
    std::swap(joined, extents_);
    for (const Extent& extent : joined) {
      if (!extents_.empty() && extent.offset <= extents_.back().end() + gap_) {
        extents_.back().length = extent.end() - extents_.back().offset;
      } else {
        extents_.push_back(extent);
      }
    }
  }

  std::vector<Extent> extents_;
  std::uint64_t gap_ = 0;
};

}  // namespace blkrewind::cli
