// The extents that a device could not read: their size and location, and their record in an undo
// snapshot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "format/records.h"
#include "io/env.h"
#include "pipeline/extent_merger.h"

namespace blkrewind::pipeline {

class UnreadableExtents {
 public:
  // In ascending order.
  void add(const Extent& extent) { tally_.add(extent); }
  void because(int sys_errno) { sys_errno_ = sys_errno; }

  [[nodiscard]] bool empty() const { return tally_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const { return tally_.bytes(); }
  [[nodiscard]] const std::vector<Extent>& named() const { return tally_.named(); }
  // More than can be named.
  [[nodiscard]] bool is_full() const { return tally_.count() > ExtentTally::kNamedMax; }

  // "1024 bytes could not be read: [offset 4096, length 1024]"
  [[nodiscard]] std::string note() const;
  // kIo, for an operation that needs the whole file.
  [[nodiscard]] Error error(const io::File& file) const;

 private:
  ExtentTally tally_;
  int sys_errno_ = 0;
};

// How many bytes of the device could not be read when this undo snapshot was taken: they hold a
// mark (pipeline/unreadable_placeholder.h). From its note, which stands in the record's `failure`.
[[nodiscard]] std::uint64_t unreadable_bytes_of(const format::SnapshotRecord& snapshot);

}  // namespace blkrewind::pipeline
