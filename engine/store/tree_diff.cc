#include "store/tree_diff.h"

#include "base/check.h"

namespace blkrewind::store {

using format::kFanoutBits;

TreeDiff::TreeDiff(TreeReader& reader, const Tree& from, const Tree& to, std::uint64_t first_chunk)
    : from_(reader, from), to_(reader, to), chunk_(first_chunk) {
  BLKREWIND_CHECK(from.geometry == to.geometry);
}

Result<std::optional<ChunkDifference>> TreeDiff::next() {
  const format::Geometry& geometry = from_.tree().geometry;
  const std::uint64_t count = geometry.chunk_count();
  while (chunk_ < count) {
    // From the root down: the largest equal subtree that starts at this chunk or contains it.
    bool skipped = false;
    for (std::uint32_t level = geometry.height() + 1; level-- > 0;) {
      const std::uint32_t bits = kFanoutBits * level;
      const std::uint64_t index = chunk_ >> bits;
      BLKREWIND_ASSIGN(const format::Entry from, from_.entry(level, index));
      BLKREWIND_ASSIGN(const format::Entry to, to_.entry(level, index));
      if (from.digest == to.digest) {
        chunk_ = (index + 1) << bits;
        skipped = true;
        break;
      }
      if (level == 0) return std::optional<ChunkDifference>({chunk_++, from, to});
    }
    if (!skipped) break;
  }
  return std::optional<ChunkDifference>{};
}

}  // namespace blkrewind::store
