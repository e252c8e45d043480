// Shared by the files that implement Operations.
#pragma once

#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include "operations/open_device.h"
#include "operations/operations.h"
#include "pipeline/meter.h"
#include "pipeline/workforce.h"
#include "store/store.h"

namespace blkrewind {

struct Operations::Parts {
  Parts(io::Env& machine, std::unique_ptr<store::Store> opened, const OperationsOptions& options)
      : env(machine),
        store(std::move(opened)),
        means{.threads = options.threads, .buffer_bytes = options.buffer_bytes},
        trackers(options.trackers),
        freezer(options.freezer),
        patience(options.patience),
        reading(store->env(), options.buffer_bytes, options.cache_bytes) {
    if (options.list_leaves != 0) means.list_leaves = options.list_leaves;
  }

  io::Env& env;
  std::unique_ptr<store::Store> store;
  pipeline::Means means;
  track::Trackers* trackers;
  freeze::Freezer* freezer;
  std::chrono::milliseconds patience;
  pipeline::ReadMeans reading;  // of open snapshots
};

// The disk, locked for one operation, and the state of its history at that time.
struct LockedDisk {
  std::shared_ptr<store::Lease> lease;        // null: locked for reading
  std::shared_ptr<store::HomeLease> reading;  // in its place
  std::shared_ptr<store::History> history;
  std::shared_ptr<const store::State> state;
  format::DiskRecord disk;
  store::History::Orphans orphans;   // that were removed
  std::uint64_t finished_bytes = 0;  // bytes freed by finishing deletes, and by removing orphans
};

enum class Pending : std::uint8_t { kRefuse, kAllow };

// Locks the disk, replays its log, cleans up after earlier operations on it (marks snapshots in
// progress as failed, finishes deletes as far as the store can be read, removes orphans), and
// refuses a disk with a pending rollback unless told otherwise. `held`: the lease, if it was taken
// before.
[[nodiscard]] Result<LockedDisk> lock_disk(store::Store& store, format::DiskNumber number,
                                           Pending pending,
                                           std::shared_ptr<store::Lease> held = nullptr);

// The lease of a disk that other operations want for a moment as well, for lock_disk(): waits for
// it. kBusy: for all of that time the disk had another owner. kCancelled.
[[nodiscard]] Result<std::shared_ptr<store::Lease>> wait_for_lease(
    store::Store& store, format::DiskNumber number, std::chrono::milliseconds patience,
    const Monitor& monitor);

// For operations that only read the device and the store: no rollback and no delete of this disk
// runs while the lock is held. As lock_disk(); if this process may not write to the store (a
// read-only file system, another user's store), takes a shared lock, and does not clean up.
[[nodiscard]] Result<LockedDisk> lock_disk_for_reading(store::Store& store,
                                                       format::DiskNumber number);
// Updates the record of a locked disk with the current path and evidence of its device, also in the
// index and the log if they changed. If that cannot be written now, it is written the next time.
void remember_seen(store::Store& store, LockedDisk& locked, const OpenedDevice& device);

// kPrecondition: InvalidOperation.DiskResetInProgress, with a remedy.
[[nodiscard]] tl::unexpected<Error> reset_in_progress(const format::DiskRecord& disk,
                                                      const format::IntentRecord& intent);

// Adds the device to the store, unless another process has meanwhile: then the record is that
// one's. `as_new` as in register_disk(), `begin` as in Store::add_disk().
struct AddedDisk {
  format::DiskRecord record;
  bool added = false;
};
[[nodiscard]] Result<AddedDisk> add_device(store::Store& store, const host::DeviceInfo& info,
                                           std::uint32_t chunk_bytes, bool as_new,
                                           const store::Store::BeginDisk& begin = {});

// Of a device that was added: a loop device over a file that is a disk has another history than it.
void warn_of_known_file(io::Env& env, const store::State& index, const host::DeviceInfo& info);

[[nodiscard]] Result<format::SnapshotRecord> find_accomplished(const store::State& state,
                                                               format::SnapshotNumber number);

// Remembers that a snapshot is damaged. The operation's own error is what the user needs to see, so
// a log that cannot take it is only logged.
void mark_damaged(store::History& history, format::SnapshotNumber number);

// The tree to compare with and share chunks from: that of the base snapshot, otherwise the newest
// one of this geometry.
[[nodiscard]] std::optional<format::SnapshotRecord> parent_of(const store::State& state,
                                                              const format::DiskRecord& disk,
                                                              const format::Geometry& geometry);

// The digest of a request's parameters: of that length whatever they are.
[[nodiscard]] Digest digest_of_request(const DigestSecret& secret, const std::string& parameters);

// Adds to the record that announces `snapshot` what it was given.
void add_notes_of(const DigestSecret& secret, const store::State& state,
                  const format::SnapshotRecord& snapshot, const NewNotes& given,
                  format::Transaction& transaction);

// Records the time that has passed as far as it is too much for one record; the rest fits into the
// next record.
[[nodiscard]] Status count_in_parts(store::History& history, const Moment& now);

// A record under construction, with number and id from the state.
[[nodiscard]] inline std::int64_t now_seconds() { return std::time(nullptr); }

}  // namespace blkrewind
