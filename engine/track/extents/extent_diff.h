// What two files do not share.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "io/extent_map.h"

namespace blkrewind::track {

// The first range at or after `from` where the two may hold different bytes, as far as both batches
// cover; empty, at the end of what they cover, when there is none. Same: a hole on both sides, or
// the same place, comparable, and both written or both not. Pure.
[[nodiscard]] Extent first_difference(const io::ExtentBatch& a, const io::ExtentBatch& b,
                                      std::uint64_t from);

// Walks two maps that stand still, in step. Both are always asked at the same time: btrfs may move
// data under a balance, and an old answer compared with a new one could meet a place that has been
// given to somebody else in between. One thread.
class ExtentDiff {
 public:
  // Asks for a map anew, as io::read_extent_map() does.
  using ReadMap = std::function<Result<io::ExtentBatch>(const Extent& range)>;

  // Of the bytes in `range`.
  ExtentDiff(ReadMap a, ReadMap b, const Extent& range)
      : a_(std::move(a)), b_(std::move(b)), range_(range) {}
  // Of two open files, which outlive this object.
  ExtentDiff(int a, int b, const Extent& range)
      : ExtentDiff([a](const Extent& part) { return io::read_extent_map(a, part); },
                   [b](const Extent& part) { return io::read_extent_map(b, part); }, range) {}

  // The first range at or after `from`, within the range, where the two may differ; empty when
  // there is none. Neighbouring answers may touch.
  [[nodiscard]] Result<Extent> next(std::uint64_t from);

 private:
  const ReadMap a_;
  const ReadMap b_;
  const Extent range_;
  // What was learned last; both cover `known_`.
  Extent known_;
  io::ExtentBatch batch_a_;
  io::ExtentBatch batch_b_;
};

}  // namespace blkrewind::track
