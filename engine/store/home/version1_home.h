// A store of version 1, read as if it had been brought over: one journal and one folder of segments
// held what now belongs to each disk. It cannot be written; `store upgrade` brings it over
// (upgrade.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "store/home/home.h"
#include "store/home/local_home.h"
#include "store/home/local_log.h"
#include "store/state.h"

namespace blkrewind::store {

// What one journal says, by disk. Snapshots, intents and the lineage never cross disks.
// format::kIndexLog: the disks themselves, as an index has them. Which disk a segment belongs to is
// not recorded: `disk_of` says it (segment_owners.h), or 0 to leave the segment out.
using StatesByDisk = std::map<format::DiskNumber, State>;
using DiskOfSegment = std::function<format::DiskNumber(format::SegmentId)>;
[[nodiscard]] StatesByDisk split_by_disk(const State& journal, const DiskOfSegment& disk_of);

class Version1Home final : public Home {
 public:
  // `have_lock`: the caller holds the lock of the journal as long as this lives.
  Version1Home(std::unique_ptr<LocalHome> local, const format::StoreHeader& header,
               bool have_lock = false);

  [[nodiscard]] io::Env& env() override { return local_->env(); }
  [[nodiscard]] const std::string& folder() const override { return local_->folder(); }
  [[nodiscard]] Result<format::StoreHeader> read_header() override { return local_->read_header(); }
  [[nodiscard]] Status check_writable() const override;
  [[nodiscard]] Result<std::unique_ptr<HomeLog>> open_log(format::DiskNumber disk,
                                                          const LogKey& key) override;
  [[nodiscard]] Status create_log(format::DiskNumber, const LogKey&) override {
    return check_writable();
  }
  [[nodiscard]] Status remove_disk(format::DiskNumber) override { return check_writable(); }
  [[nodiscard]] Status for_each_disk(const std::function<Status(format::DiskNumber)>&) override {
    return {};
  }
  [[nodiscard]] Result<std::unique_ptr<HomeLease>> take_lease(format::DiskNumber disk,
                                                              io::LockMode mode) override {
    return local_->take_lease(disk, mode);
  }
  [[nodiscard]] Result<bool> has_owner(format::DiskNumber disk) override {
    return local_->has_owner(disk);
  }
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> hold_snapshot(format::DiskNumber disk,
                                                                format::SnapshotNumber snapshot,
                                                                io::LockMode mode) override {
    return local_->hold_snapshot(disk, snapshot, mode);
  }
  [[nodiscard]] Result<std::unique_ptr<io::File>> create_segment(format::DiskNumber,
                                                                 format::SegmentId) override;
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_segment(format::DiskNumber disk,
                                                               format::SegmentId id,
                                                               io::Access access) override;
  [[nodiscard]] Status remove_segment(format::DiskNumber, format::SegmentId) override {
    return check_writable();
  }
  [[nodiscard]] Result<std::uint64_t> segment_bytes(format::DiskNumber disk,
                                                    format::SegmentId id) override;
  [[nodiscard]] Status for_each_segment(
      format::DiskNumber disk, const std::function<Status(format::SegmentId)>& visit) override;
  [[nodiscard]] Status sync_segments(format::DiskNumber) override { return check_writable(); }
  [[nodiscard]] std::string segment_name(format::DiskNumber, format::SegmentId id) const override {
    return local_->layout().old_segment(id);
  }

  // The states as they are now, each segment with the first disk, and a number that grows with each
  // change of them.
  struct Known {
    std::shared_ptr<const State> journal;
    std::shared_ptr<const StatesByDisk> states;
    std::uint64_t version = 0;
  };
  [[nodiscard]] Result<Known> read();
  // As HomeLog::check(), of what was read last.
  [[nodiscard]] Status check_journal();

 private:
  const std::unique_ptr<LocalHome> local_;
  std::mutex mutex_;
  std::unique_ptr<LocalLog> journal_;
  Head head_;
  State all_;
  Known known_;
};

}  // namespace blkrewind::store
