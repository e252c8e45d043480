// The ranges that two files do not share.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "io/extent_map.h"

namespace blkrewind::track {

// The first range at or after `from` in which the two may hold different bytes, as far as both
// batches cover; empty, at the end of the covered range, if there is none. Equal: a hole in both,
// or the same location, comparable, and both written or both unwritten. Pure.
[[nodiscard]] Extent first_difference(const io::ExtentBatch& a, const io::ExtentBatch& b,
                                      std::uint64_t from);

// Walks two unchanging maps in step. Both are always queried together: btrfs may move data during a
// balance, and if an old result were compared with a new one, a location could have been reused for
// other data in between. One thread.
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

  // The first range at or after `from`, within the range, in which the two may differ; empty if
  // there is none. Consecutive results may be adjacent.
  [[nodiscard]] Result<Extent> next(std::uint64_t from);

 private:
  const ReadMap a_;
  const ReadMap b_;
  const Extent range_;
  // The latest results; both cover `known_`.
  Extent known_;
  io::ExtentBatch batch_a_;
  io::ExtentBatch batch_b_;
};

}  // namespace blkrewind::track
