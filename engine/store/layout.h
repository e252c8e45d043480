// File names and lock bytes of a store.
//
// Locks are taken on bytes of STORE/format far beyond its end, so that they need no files of their
// own. Lock order, to prevent deadlock: disk, then writers, then journal.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "format/records.h"

namespace blkrewind::store {

class Layout {
 public:
  explicit Layout(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string format() const { return root_ + "/format"; }
  [[nodiscard]] std::string journal() const { return root_ + "/journal"; }
  [[nodiscard]] std::string segments() const { return root_ + "/segments"; }
  [[nodiscard]] std::string segment(format::SegmentId id) const {
    return segments() + "/" + std::to_string(id);
  }
  // A file under construction, renamed to its name once it is complete and flushed.
  [[nodiscard]] static std::string temporary(const std::string& path) { return path + ".new"; }

  static constexpr std::uint64_t kJournalLock = std::uint64_t{1} << 32;
  // Shared: operations that create segments; exclusive: the removal of orphaned segments.
  static constexpr std::uint64_t kWritersLock = kJournalLock + 1;
  [[nodiscard]] static constexpr std::uint64_t disk_lock(format::DiskNumber disk) {
    return (std::uint64_t{2} << 32) + disk;
  }

 private:
  std::string root_;
};

}  // namespace blkrewind::store
