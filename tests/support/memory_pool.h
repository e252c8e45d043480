// The objects of a store that is kept in memory, as a server keeps them: logs, leases, and the
// files of a simulated machine as segments. Homes (memory_home.h, remote_home.h) are its clients;
// several of them on one pool stand for several processes.
//
// Every call is atomic and durable at once. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/log_codec.h"
#include "store/home/home.h"
#include "support/simulated_env.h"

namespace blkrewind::sim {

using ClientId = std::uint64_t;
using RecordBytes = std::shared_ptr<const std::vector<std::byte>>;

// An append or a replace(), as it arrives at the log.
struct LogChange {
  format::DiskNumber log = format::kIndexLog;
  store::Head expected;
  std::uint64_t epoch = 0;
  std::vector<RecordBytes> records = {};
  bool replaces = false;
  ClientId client = 0;       // an open HomeLog
  std::uint64_t number = 0;  // 1, 2, ... of its changes
};

// What follows a place in a log.
struct LogPage {
  bool restarts = false;  // the records are the log's first ones
  std::vector<RecordBytes> records;
  std::vector<store::Head> heads;  // behind each record
  store::Head end;                 // behind the last one
};

[[nodiscard]] tl::unexpected<store::AppendFailure> not_appended(store::NotAppended why,
                                                                Error error);
[[nodiscard]] tl::unexpected<store::AppendFailure> not_appended(store::NotAppended why, Errc code,
                                                                std::string message);

struct LeaseGrant {
  std::uint64_t token = 0;
  std::uint64_t epoch = 0;
};

class MemoryPool {
 public:
  // An empty store. Segments are below `folder` of the machine, which outlives the pool.
  MemoryPool(SimulatedEnv& machine, const format::StoreHeader& header,
             std::string folder = "/pool");
  // The same logs, over a machine that has the same segments: after a power cut of all clients at
  // once. There are no leases.
  MemoryPool(const MemoryPool& before, SimulatedEnv& machine);
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  [[nodiscard]] SimulatedEnv& machine() { return machine_; }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string segments_of(format::DiskNumber disk) const;
  [[nodiscard]] ClientId new_client();
  // Of the logs and epochs.
  [[nodiscard]] std::uint64_t fingerprint() const;

  // --- logs ---
  [[nodiscard]] Status create_log(format::DiskNumber disk);  // kAlreadyExists
  [[nodiscard]] bool has_log(format::DiskNumber disk) const;
  void remove_log(format::DiskNumber disk);
  [[nodiscard]] std::vector<format::DiskNumber> logs() const;  // but that of the index
  // Once only: what arrives again, or after settle(), changes nothing.
  [[nodiscard]] store::Appended carry_out(const LogChange& change);
  // What became of the change. Empty: it has not arrived, and will change nothing when it does.
  [[nodiscard]] std::optional<store::Appended> settle(const LogChange& change);
  // `withheld`: the records at the log's end that the reader cannot see yet. A checkpoint is seen
  // as a whole.
  [[nodiscard]] Result<LogPage> read(format::DiskNumber log, const store::Head& from,
                                     std::uint64_t withheld) const;

  // --- leases ---
  // Empty: a lease of another kind, or of another owner, is in the way. An owner gets a new epoch.
  [[nodiscard]] std::optional<LeaseGrant> take_lease(format::DiskNumber disk, io::LockMode mode,
                                                     ClientId holder);
  void release(format::DiskNumber disk, std::uint64_t token);
  [[nodiscard]] bool has_owner(format::DiskNumber disk) const;
  // A lease, or a hold of one of the disk's snapshots.
  [[nodiscard]] bool holds_any_of(format::DiskNumber disk, ClientId holder) const;
  // All leases of the disk end, without the knowledge of their holders.
  void expire(format::DiskNumber disk);
  // All leases of a client that has died, and its holds.
  void end_leases(ClientId holder);

  // --- holds of snapshots ---
  // 0: one of another kind is in the way.
  [[nodiscard]] std::uint64_t hold(format::DiskNumber disk, format::SnapshotNumber snapshot,
                                   io::LockMode mode, ClientId holder);
  void end_hold(std::uint64_t token);

 private:
  struct Record {
    RecordBytes bytes;
    std::uint64_t epoch = 0;
  };
  // The last change of a client that was carried out or settled.
  struct Settled {
    std::uint64_t number = 0;
    std::optional<store::Appended> answer;
  };
  struct Log {
    std::uint64_t generation = 1;
    std::uint64_t first_sequence = 1;
    std::vector<Record> records;
    std::size_t checkpoint_records = 0;
    std::map<ClientId, Settled> settled;
  };
  struct Lease {
    std::uint64_t token = 0;
    io::LockMode mode = io::LockMode::kExclusive;
    ClientId holder = 0;
  };

  // Whether one of them is in the way of another one of this kind.
  [[nodiscard]] static bool excluded(const std::vector<Lease>& leases, io::LockMode mode);
  [[nodiscard]] static store::Appended apply(Log& log, std::uint64_t& epoch,
                                             const LogChange& change);
  [[nodiscard]] static store::Head head_after(const Log& log, const store::Head& from,
                                              std::size_t records);

  SimulatedEnv& machine_;
  const format::StoreHeader header_;
  const std::string folder_;

  mutable std::mutex mutex_;
  std::map<format::DiskNumber, Log> logs_;
  // Of the owners so far. Changes that name a lower one are fenced.
  std::map<format::DiskNumber, std::uint64_t> epochs_;
  std::map<format::DiskNumber, std::vector<Lease>> leases_;
  std::map<std::pair<format::DiskNumber, format::SnapshotNumber>, std::vector<Lease>> holds_;
  std::uint64_t last_client_ = 0;
  std::uint64_t last_token_ = 0;
};

}  // namespace blkrewind::sim
