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

namespace blkrewind::pipeline {

class UnreadableExtents {
 public:
  // This many extents are listed; all are counted.
  static constexpr std::size_t kNamedMax = 16;

  // Calls must be in ascending order; adjacent extents are merged.
  void add(const Extent& extent);
  void because(int sys_errno) { sys_errno_ = sys_errno; }

  [[nodiscard]] bool empty() const { return bytes_ == 0; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::vector<Extent>& named() const { return named_; }
  // More than can be listed.
  [[nodiscard]] bool is_full() const { return extents_ > kNamedMax; }

  // "1024 bytes could not be read: [offset 4096, length 1024]"
  [[nodiscard]] std::string note() const;
  // kIo, for an operation that needs the whole file.
  [[nodiscard]] Error error(const io::File& file) const;

 private:
  std::vector<Extent> named_;
  std::uint64_t extents_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_end_ = 0;
  int sys_errno_ = 0;
};

// How many bytes of the device could not be read when this undo snapshot was taken: it holds
// placeholders for them (pipeline/unreadable_mark.h). From the note in the record's `failure`.
[[nodiscard]] std::uint64_t unreadable_bytes_of(const format::SnapshotRecord& snapshot);

}  // namespace blkrewind::pipeline
