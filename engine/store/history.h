// The history of one disk: its log and its segments.
//
// Obtained from Store::history(), which it must not outlive. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "store/home/home.h"
#include "store/log.h"
#include "store/segment_files.h"
#include "store/segment_writer.h"
#include "store/state.h"

namespace blkrewind::store {

class History {
 public:
  // `index`: the store's, which decides about pending records.
  History(Home& home, const format::StoreHeader& header, format::DiskNumber disk,
          std::unique_ptr<HomeLog> log, const Log& index);

  [[nodiscard]] format::DiskNumber disk() const { return disk_; }
  [[nodiscard]] Home& home() { return home_; }
  [[nodiscard]] io::Env& env() { return home_.env(); }
  // A folder of this machine for temporary files; of a local store its own.
  [[nodiscard]] const std::string& folder() const { return home_.folder(); }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }
  [[nodiscard]] const DigestSecret& secret() const { return header_.secret; }
  [[nodiscard]] Log& log() { return log_; }
  [[nodiscard]] SegmentFiles& files() { return files_; }
  // Reads the log on, and whose segments a clone shares. Before anything else is used.
  [[nodiscard]] Status refresh();
  // kIntegrity: the tail of the log is damaged, and there is a segment that a lost record may have
  // named. Nothing of the disk may be changed then: it would be removed as left over, and the next
  // record would mend the tail.
  [[nodiscard]] Status check_complete();
  // Only this disk's records, with what the index says of pending ones (group.h).
  [[nodiscard]] std::shared_ptr<const State> state() const;
  [[nodiscard]] std::string segment_name(format::SegmentId id) const { return files_.name_of(id); }

  // For an operation that adds to the history, and holds the disk's lease.
  [[nodiscard]] Result<std::unique_ptr<SegmentWriter>> make_writer();

  // Removes segments that no record of the log names, left by owners that crashed. To be called
  // under the disk's lease, before this owner creates segments. A record of this owner's epoch
  // comes first: it fails if there is a newer owner, whose segments these could be, and it uses
  // their numbers up, so that a former owner whose writes arrive late cannot reach a newer segment.
  struct Orphans {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Result<Orphans> remove_orphans();
  // Removes the segment; returns the space that it occupied, 0 if it cannot be removed now.
  std::uint64_t remove_segment(format::SegmentId id);

 private:
  Home& home_;
  const format::StoreHeader& header_;
  const format::DiskNumber disk_;
  const Log& index_;
  Log log_;
  SegmentFiles files_;
};

// The right to change a disk, for the duration of one operation. While it lives, the records that
// this process appends to the disk's log name its epoch.
class Lease {
 public:
  Lease(std::shared_ptr<History> history, std::unique_ptr<HomeLease> lease)
      : history_(std::move(history)), lease_(std::move(lease)) {
    history_->log().set_owner(lease_.get());
  }
  ~Lease() { history_->log().set_owner(nullptr); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  [[nodiscard]] const std::shared_ptr<History>& history() const { return history_; }

 private:
  const std::shared_ptr<History> history_;
  const std::unique_ptr<HomeLease> lease_;
};

}  // namespace blkrewind::store
