// File names and lock bytes of a store in a folder.
//
//   ROOT/format          version, digest secret
//   ROOT/index           the index's log
//   ROOT/disks/N/log     the log of disk N
//   ROOT/disks/N/segments/ID
//   ROOT/journal, ROOT/segments/ID   of version 1: one log and one folder for all disks
//   ROOT/journal.v1                  the former, while it is brought over (upgrade.h)
//
// Locks are taken on bytes of ROOT/format far beyond its end, so that they need no files of their
// own, and two disks share none. Lock order, to prevent deadlock: a disk's lease, then a log.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "format/log_codec.h"
#include "format/records.h"

namespace blkrewind::store {

class LocalLayout {
 public:
  explicit LocalLayout(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string format() const { return root_ + "/format"; }
  [[nodiscard]] std::string disks() const { return root_ + "/disks"; }
  [[nodiscard]] std::string disk(format::DiskNumber disk) const {
    return disks() + "/" + std::to_string(disk);
  }
  [[nodiscard]] std::string log(format::DiskNumber disk) const {
    return disk == format::kIndexLog ? root_ + "/index" : this->disk(disk) + "/log";
  }
  // The folder that holds the name log().
  [[nodiscard]] std::string log_folder(format::DiskNumber disk) const {
    return disk == format::kIndexLog ? root_ : this->disk(disk);
  }
  [[nodiscard]] std::string segments(format::DiskNumber disk) const {
    return this->disk(disk) + "/segments";
  }
  [[nodiscard]] std::string segment(format::DiskNumber disk, format::SegmentId id) const {
    return segments(disk) + "/" + std::to_string(id);
  }
  [[nodiscard]] std::string old_journal() const { return root_ + "/journal"; }
  // Under which an upgrade keeps it from programs of version 1, which look for it by its name.
  [[nodiscard]] std::string old_journal_aside() const { return old_journal() + ".v1"; }
  [[nodiscard]] std::string old_segments() const { return root_ + "/segments"; }
  [[nodiscard]] std::string old_segment(format::SegmentId id) const {
    return old_segments() + "/" + std::to_string(id);
  }
  // A file under construction, renamed to its name once it is complete and flushed.
  [[nodiscard]] static std::string temporary(const std::string& path) { return path + ".new"; }

  [[nodiscard]] static constexpr std::uint64_t log_lock(format::DiskNumber disk) {
    return (std::uint64_t{3} << 32) + disk;
  }
  [[nodiscard]] static constexpr std::uint64_t lease_lock(format::DiskNumber disk) {
    return (std::uint64_t{2} << 32) + disk;
  }
  // Of a snapshot that is open for reading. 2^30 snapshots of a disk have a byte of their own; two
  // that share one only keep each other from being deleted.
  [[nodiscard]] static constexpr std::uint64_t snapshot_lock(format::DiskNumber disk,
                                                             format::SnapshotNumber snapshot) {
    constexpr std::uint64_t kPerDisk = std::uint64_t{1} << 30;
    return (std::uint64_t{1} << 62) + disk * kPerDisk + snapshot % kPerDisk;
  }
  // Of version 1: the journal's, and the one that operations share which create segments.
  static constexpr std::uint64_t kOldJournalLock = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kOldWritersLock = kOldJournalLock + 1;

 private:
  std::string root_;
};

}  // namespace blkrewind::store
