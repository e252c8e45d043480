#include "track/extents/extent_diff.h"

#include <algorithm>
#include <utility>

namespace blkrewind::track {
namespace {

// The state of a map at one byte, and the end of the range with the same state.
struct Piece {
  bool hole = true;
  bool comparable = true;
  bool unwritten = false;
  std::uint64_t physical = 0;
  std::uint64_t end = 0;
};

// Advances over a batch.
class Cursor {
 public:
  Cursor(const io::ExtentBatch& batch, std::uint64_t from) : batch_(batch) {
    const auto first = std::ranges::upper_bound(
        batch.extents, from, {},
        [](const io::MappedExtent& extent) { return extent.logical.end(); });
    next_ = static_cast<std::size_t>(first - batch.extents.begin());
  }

  Piece at(std::uint64_t byte) {
    while (next_ < batch_.extents.size() && batch_.extents[next_].logical.end() <= byte) ++next_;
    if (next_ == batch_.extents.size()) return {.end = batch_.covers.end()};
    const io::MappedExtent& extent = batch_.extents[next_];
    if (byte < extent.logical.offset) return {.end = extent.logical.offset};
    return {.hole = false,
            .comparable = extent.comparable,
            .unwritten = extent.unwritten,
            .physical = extent.physical + (byte - extent.logical.offset),
            .end = extent.logical.end()};
  }

 private:
  const io::ExtentBatch& batch_;
  std::size_t next_ = 0;
};

bool are_same(const Piece& a, const Piece& b) {
  if (a.hole || b.hole) return a.hole && b.hole;
  return a.comparable && b.comparable && a.unwritten == b.unwritten && a.physical == b.physical;
}

}  // namespace

Extent first_difference(const io::ExtentBatch& a, const io::ExtentBatch& b, std::uint64_t from) {
  const std::uint64_t end = std::min(a.covers.end(), b.covers.end());
  Cursor in_a(a, from);
  Cursor in_b(b, from);
  Extent found{end, 0};
  for (std::uint64_t at = from; at < end;) {
    const Piece piece_a = in_a.at(at);
    const Piece piece_b = in_b.at(at);
    const std::uint64_t until = std::min({piece_a.end, piece_b.end, end});
    if (are_same(piece_a, piece_b)) {
      if (!found.empty()) break;
    } else {
      if (found.empty()) found.offset = at;
      found.length = until - found.offset;
    }
    at = until;
  }
  return found;
}

Result<Extent> ExtentDiff::next(std::uint64_t from) {
  for (std::uint64_t at = std::max(from, range_.offset); at < range_.end();) {
    if (at < known_.offset || at >= known_.end()) {
      const Extent rest{at, range_.end() - at};
      known_ = {};
      BLKREWIND_ASSIGN(batch_a_, a_(rest));
      BLKREWIND_ASSIGN(batch_b_, b_(rest));
      known_ = {at, std::min(batch_a_.covers.end(), batch_b_.covers.end()) - at};
      if (known_.empty()) return fail(Errc::kInternal, "an extent map does not come forward");
    }
    const Extent found = first_difference(batch_a_, batch_b_, at);
    if (!found.empty()) return found;
    at = known_.end();
  }
  return Extent{range_.end(), 0};
}

}  // namespace blkrewind::track
