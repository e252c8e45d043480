#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/remedies.h"
#include "operations/operations_parts.h"
#include "operations/recognise.h"
#include "store/group.h"
#include "store/holds.h"
#include "store/reclaim.h"
#include "store/tree_cursor.h"

namespace blkrewind {
namespace {

using format::SnapshotState;

// A delete that cannot be finished now occupies space and no more: what an operation needs are the
// snapshots that exist. It is tried again by the next one.
bool can_wait(store::History& history, const Error& error) {
  return (error.code == Errc::kIntegrity || error.code == Errc::kIo) &&
         !store::Store::may_only_be_read(error) && !history.log().in_doubt();
}

// Cleans up after operations on this disk that ended prematurely; its lock is held. Returns the
// number of bytes freed.
Result<std::uint64_t> clear_unfinished(store::History& history) {
  std::uint64_t given_back = 0;
  std::vector<format::SnapshotNumber> deleting;
  bool progressing = false;
  const auto known = history.state();  // kept alive: another thread may replace the state
  for (const auto& [number, snapshot] : known->snapshots) {
    if (snapshot.state == SnapshotState::kDeleting) deleting.push_back(number);
    progressing = progressing || snapshot.state == SnapshotState::kProgressing;
  }
  for (const format::SnapshotNumber number : deleting) {
    const auto bytes = store::finish_delete(history, number);
    if (!bytes && !can_wait(history, bytes.error())) return fail(bytes.error());
    if (!bytes) {
      log::warning("cannot finish deleting the snapshot " + known->snapshot(number)->id + ": " +
                   bytes.error().to_string());
    }
    given_back += bytes.value_or(0);
  }
  if (!progressing) return given_back;
  BLKREWIND_TRY(history.log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        format::Transaction transaction;
        for (const auto& [number, snapshot] : state.snapshots) {
          if (snapshot.state != SnapshotState::kProgressing) continue;
          format::SnapshotRecord failed = snapshot;
          failed.state = SnapshotState::kFailed;
          failed.failure = "the process that was taking it ended before it was complete";
          transaction.emplace_back(std::move(failed));
        }
        return transaction;
      },
      store::Room::kFrees));
  return given_back;
}

// Under a lease: the log has its disk.
void take_state(LockedDisk& locked, format::DiskNumber number) {
  locked.state = locked.history->state();
  locked.disk = *locked.state->disk(number);
}

}  // namespace

Result<LockedDisk> lock_disk(store::Store& store, format::DiskNumber number, Pending pending,
                             std::shared_ptr<store::Lease> held) {
  LockedDisk locked;
  locked.lease = std::move(held);
  if (!locked.lease) {
    BLKREWIND_ASSIGN(locked.lease, store.lease(number));
  }
  locked.history = locked.lease->history();
  store::History& history = *locked.history;
  BLKREWIND_TRY(history.log().make_last_record_durable());
  BLKREWIND_TRY(store::settle_groups(store, history));
  BLKREWIND_TRY(store::settle_holds(store, history));
  // Whole files first: they free space without a record.
  BLKREWIND_ASSIGN(const auto orphans, history.remove_orphans());
  BLKREWIND_ASSIGN(const std::uint64_t finished, clear_unfinished(history));
  locked.orphans = orphans;
  locked.finished_bytes = orphans.bytes + finished;
  take_state(locked, number);
  // The index has a copy of the record, and an operation that has ended early may have changed only
  // one of the two.
  if (const Status noted = store.note_disk(locked.disk); !noted) {
    log::warning("cannot correct the index: " + noted.error().to_string());
  }
  const auto intent = locked.state->intents.find(number);
  if (pending == Pending::kRefuse && intent != locked.state->intents.end()) {
    return reset_in_progress(locked.disk, intent->second);
  }
  return locked;
}

Result<std::shared_ptr<store::Lease>> wait_for_lease(store::Store& store, format::DiskNumber number,
                                                     std::chrono::milliseconds patience,
                                                     const Monitor& monitor) {
  constexpr std::chrono::milliseconds kNap{10};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto lease = store.lease(number);
    if (lease || lease.error().code != Errc::kBusy) return lease;
    if (monitor.cancel != nullptr && monitor.cancel->load(std::memory_order_relaxed)) {
      return fail(Errc::kCancelled, "cancelled");
    }
    if (std::chrono::steady_clock::now() >= deadline) return lease;
    std::this_thread::sleep_for(kNap);
  }
}

Result<LockedDisk> lock_disk_for_reading(store::Store& store, format::DiskNumber number) {
  auto cleared = lock_disk(store, number, Pending::kAllow);
  if (cleared || !store::Store::may_only_be_read(cleared.error())) return cleared;
  LockedDisk locked;
  BLKREWIND_ASSIGN(locked.reading, store.lease_for_reading(number));
  BLKREWIND_ASSIGN(locked.history, store.history(number));
  take_state(locked, number);
  return locked;
}

void remember_seen(store::Store& store, LockedDisk& locked, const OpenedDevice& device) {
  const format::DiskRecord before = locked.disk;
  locked.disk = as_seen(before, device.info);
  if (locked.disk == before) return;
  // The index first: what is found through it is judged by the log's record.
  Status written = store.note_disk(locked.disk);
  if (written) {
    written =
        locked.history->log().update([&](const store::State& state) -> Result<format::Transaction> {
          return format::Transaction{as_seen(*state.disk(before.number), device.info)};
        });
  }
  if (!written) {
    log::warning("cannot record where disk " + before.id +
                 " is now: " + written.error().to_string());
  }
  locked.state = locked.history->state();
}

tl::unexpected<Error> reset_in_progress(const format::DiskRecord& disk,
                                        const format::IntentRecord& intent) {
  Error error;
  error.code = Errc::kPrecondition;
  error.api = ApiCode::kResetInProgress;
  error.message =
      "The operation cannot be performed because the disk has an ongoing reset task, please try "
      "again later.";
  error.remedy = ways_out(disk.path, intent.undo != 0);
  return fail(std::move(error));
}

Result<format::SnapshotRecord> find_accomplished(const store::State& state,
                                                 format::SnapshotNumber number) {
  const auto* record = state.snapshot(number);
  if (record == nullptr || record->state != SnapshotState::kAccomplished) {
    return fail(Errc::kNotFound, "the snapshot no longer exists",
                look_into_list("see the snapshots that there are"));
  }
  return *record;
}

void mark_damaged(store::History& history, format::SnapshotNumber number) {
  auto marked = history.log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        const auto* found = state.snapshot(number);
        if (found == nullptr || found->damaged) return format::Transaction{};
        format::SnapshotRecord record = *found;
        record.damaged = true;
        return format::Transaction{record};
      },
      store::Room::kFrees);
  if (!marked) log::warning("cannot mark the snapshot as damaged: " + marked.error().to_string());
}

std::optional<format::SnapshotRecord> parent_of(const store::State& state,
                                                const format::DiskRecord& disk,
                                                const format::Geometry& geometry) {
  // Nothing is shared with a damaged snapshot: the device may hold the chunk that the store has
  // lost.
  const auto fits = [&](const format::SnapshotRecord& snapshot) {
    return snapshot.disk == disk.number && snapshot.state == SnapshotState::kAccomplished &&
           !snapshot.damaged && store::tree_of(snapshot).geometry == geometry;
  };
  if (const auto* base_snapshot = state.snapshot(disk.base_snapshot);
      base_snapshot != nullptr && fits(*base_snapshot)) {
    return *base_snapshot;
  }
  for (auto at = state.snapshots.rbegin(); at != state.snapshots.rend(); ++at) {
    if (fits(at->second)) return at->second;
  }
  return {};
}

}  // namespace blkrewind
