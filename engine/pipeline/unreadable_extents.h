// What a device could not read: how much, where, and how an undo snapshot remembers it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "format/records.h"
#include "io/env.h"

namespace blkrewind::pipeline {

class UnreadableExtents {
 public:
  // As many extents are named; all are counted.
  static constexpr std::size_t kNamedMax = 16;

  // In ascending order; neighbours are one.
  void add(const Extent& extent);
  void because(int sys_errno) { sys_errno_ = sys_errno; }

  [[nodiscard]] bool empty() const { return bytes_ == 0; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::vector<Extent>& named() const { return named_; }
  // More than can be named.
  [[nodiscard]] bool is_full() const { return extents_ > kNamedMax; }

  // "1024 bytes could not be read: [offset 4096, length 1024]"
  [[nodiscard]] std::string note() const;
  // kIo, for an operation that needs all of the file.
  [[nodiscard]] Error error(const io::File& file) const;

 private:
  std::vector<Extent> named_;
  std::uint64_t extents_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_end_ = 0;
  int sys_errno_ = 0;
};

// How many bytes of the device could not be read when this undo snapshot was taken: they hold a
// mark (track/unreadable_mark.h). From its note, which stands in the record's `failure`.
[[nodiscard]] std::uint64_t unreadable_bytes_of(const format::SnapshotRecord& snapshot);

}  // namespace blkrewind::pipeline
