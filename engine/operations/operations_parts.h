// What the files that implement Operations share.
#pragma once

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
  io::Env& env;
  std::unique_ptr<store::Store> store;
  pipeline::Means means;
  track::Trackers* trackers;
};

// The disk, locked for one operation, and the state of the store once it was.
struct LockedDisk {
  std::shared_ptr<io::Lock> lock;
  std::shared_ptr<const store::State> state;
  format::DiskRecord disk;
  std::uint64_t finished_bytes = 0;  // given back by deletes that were finished, and orphans
};

enum class Pending : std::uint8_t { kRefuse, kAllow };

// Locks, replays the journal, clears what earlier operations on this disk left unfinished
// (snapshots that were being made become failed, deletes are finished, orphans go), and refuses a
// disk with a rollback pending unless told otherwise. `held`: the lock, where it was taken before.
[[nodiscard]] Result<LockedDisk> lock_disk(store::Store& store, format::DiskNumber number,
                                           Pending pending,
                                           std::shared_ptr<io::Lock> held = nullptr);

// For what only reads a device and the store: no rollback and no delete of this disk runs until it
// goes. As lock_disk(), and where this process may not write to the store (a read-only file system,
// another user's store) a shared lock, which clears nothing: what is unfinished stays as it is.
[[nodiscard]] Result<LockedDisk> lock_disk_for_reading(store::Store& store,
                                                       format::DiskNumber number);
// Keeps the record of a disk that is locked up with where its device is now and with the evidence
// of now, in the journal too when that changed. What cannot be written is written the next time.
void remember_seen(store::Store& store, LockedDisk& locked, const OpenedDevice& device);

// kPrecondition: InvalidOperation.DiskResetInProgress, with what to do.
[[nodiscard]] tl::unexpected<Error> reset_in_progress(const format::DiskRecord& disk,
                                                      const format::IntentRecord& intent);

[[nodiscard]] Result<format::SnapshotRecord> find_accomplished(const store::State& state,
                                                               format::SnapshotNumber number);

// The tree to compare with and share from: the anchor's, else the newest one's of this geometry.
[[nodiscard]] std::optional<format::SnapshotRecord> parent_of(const store::State& state,
                                                              const format::DiskRecord& disk,
                                                              const format::Geometry& geometry);

// A record under construction, with number and id given by the state.
[[nodiscard]] inline std::int64_t now_seconds() { return std::time(nullptr); }

}  // namespace blkrewind
