// A home in memory: what one process sees of a MemoryPool.
//
//   SimulatedEnv machine;
//   auto pool = std::make_shared<MemoryPool>(machine, header);
//   MemoryHome one(pool), other(pool);   // two processes
//
// Logs and leases are kept by the pool, segments are files of its machine. A change of a log is
// durable at once, and counts as one operation of the machine (kSyncDirectory of the pool's folder)
// that faults and `crash_after` can hit: then nothing was written.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "store/home/home.h"
#include "support/memory_pool.h"

namespace blkrewind::sim {

// The process that a home, its logs and its leases belong to.
struct MemoryProcess {
  std::shared_ptr<MemoryPool> pool;
  ClientId id = 0;
  std::atomic<bool> dead = false;

  [[nodiscard]] Status alive() const;
};

class MemoryLog : public store::HomeLog {
 public:
  MemoryLog(std::shared_ptr<MemoryProcess> process, format::DiskNumber disk);

  [[nodiscard]] std::string name() const override;
  [[nodiscard]] Status read(store::Head& head, const Reader& reader) final;
  [[nodiscard]] store::Appended append(const store::Head& expected, std::uint64_t epoch,
                                       std::span<const std::byte> record,
                                       const store::Need& need) final;
  [[nodiscard]] store::Appended replace(const store::Head& expected, std::uint64_t epoch,
                                        const store::Need& need,
                                        const std::function<Status(const Sink&)>& write) final;
  // kStale: other records follow.
  [[nodiscard]] store::Appended make_durable(const store::Head& head, std::uint64_t epoch) final;

 protected:
  // The road to the pool and back.
  [[nodiscard]] virtual store::Appended send(const LogChange& change);
  // How many of the log's last records a read() does not see yet.
  [[nodiscard]] virtual std::uint64_t withheld() { return 0; }

  [[nodiscard]] MemoryPool& pool() { return *process_->pool; }
  [[nodiscard]] const MemoryProcess& process() const { return *process_; }
  [[nodiscard]] format::DiskNumber disk() const { return disk_; }

 private:
  [[nodiscard]] store::Appended change(LogChange change);

  const std::shared_ptr<MemoryProcess> process_;
  const format::DiskNumber disk_;
  const ClientId client_;
  std::uint64_t changes_ = 0;
};

class MemoryHome : public store::Home {
 public:
  explicit MemoryHome(std::shared_ptr<MemoryPool> pool);

  [[nodiscard]] MemoryPool& pool() { return *process_->pool; }
  // The process ends: so do its leases, and the segment bytes that it wrote and did not flush may
  // be lost, by chance. From now on every call fails; its files must not be used any more.
  void cut_power(std::uint64_t seed);

  [[nodiscard]] io::Env& env() override { return pool().machine(); }
  [[nodiscard]] const std::string& folder() const override { return process_->pool->folder(); }
  [[nodiscard]] Result<format::StoreHeader> read_header() final;
  [[nodiscard]] Result<std::unique_ptr<store::HomeLog>> open_log(format::DiskNumber disk,
                                                                 const store::LogKey& key) override;
  [[nodiscard]] Status create_log(format::DiskNumber disk, const store::LogKey& key) final;
  [[nodiscard]] Status remove_disk(format::DiskNumber disk) final;
  [[nodiscard]] Status for_each_disk(const std::function<Status(format::DiskNumber)>& visit) final;
  [[nodiscard]] Result<std::unique_ptr<store::HomeLease>> take_lease(format::DiskNumber disk,
                                                                     io::LockMode mode) override;
  [[nodiscard]] Result<bool> has_owner(format::DiskNumber disk) final;
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> hold_snapshot(format::DiskNumber disk,
                                                                format::SnapshotNumber snapshot,
                                                                io::LockMode mode) final;
  [[nodiscard]] Result<std::unique_ptr<io::File>> create_segment(format::DiskNumber disk,
                                                                 format::SegmentId id) override;
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_segment(format::DiskNumber disk,
                                                               format::SegmentId id,
                                                               io::Access access) final;
  [[nodiscard]] Status remove_segment(format::DiskNumber disk, format::SegmentId id) final;
  [[nodiscard]] Result<std::uint64_t> segment_bytes(format::DiskNumber disk,
                                                    format::SegmentId id) final;
  [[nodiscard]] Status for_each_segment(
      format::DiskNumber disk, const std::function<Status(format::SegmentId)>& visit) final;
  [[nodiscard]] Status sync_segments(format::DiskNumber disk) final;
  [[nodiscard]] std::string segment_name(format::DiskNumber disk, format::SegmentId id) const final;

 protected:
  [[nodiscard]] const std::shared_ptr<MemoryProcess>& process() const { return process_; }
  // Of the disk, if it has a log.
  [[nodiscard]] Status check_log(format::DiskNumber disk) const;

 private:
  [[nodiscard]] Result<std::unique_ptr<io::File>> open(format::DiskNumber disk,
                                                       format::SegmentId id, io::Access access,
                                                       bool create);

  const std::shared_ptr<MemoryProcess> process_;
  std::mutex mutex_;
  std::set<std::string> written_;  // segments that this process opened for writing
};

}  // namespace blkrewind::sim
