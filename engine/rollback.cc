// Bringing a device back to a snapshot.
//
//   1. scan      the device is compared with the target; with undo, what differs and is held nowhere
//                goes to segments of its own. The result is a tree of the device as it is now
//   2. preflight without undo: every chunk that will be needed is read and verified
//   3. intent    journal: the undo snapshot (with undo) and the intent, in one record
//   4. stream    the difference of the two trees, from the store to the device; flush
//   5. done      journal: no intent, the device equals the target
//
// When power goes before 3, nothing happened to the device, and the segments are orphans. Between 3 and
// 5 the intent names the target and the undo snapshot: resume() streams again what differs, forwards
// or backwards. Streaming is idempotent. After 5 the rollback is finished.
//
// A chunk of the target that turns out to be corrupt: without undo it is found in 2, before anything is
// written; with undo in 4, and the device is put back to the undo snapshot at once.
#include <algorithm>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "operations_parts.h"
#include "plan_source.h"
#include "restore.h"
#include "scan.h"
#include "store/tree_reader.h"
#include "track/full_scan.h"

namespace blkrewind {
namespace {

using format::SnapshotState;

// What is true of a rollback from its beginning to its end.
struct Rollback {
  store::Store& store;
  LockedDisk& locked;
  const OpenedDevice& device;
  const Monitor& monitor;
  unsigned threads = 0;
  format::Geometry geometry;
  std::string request_id;
  format::SnapshotRecord target;
  std::optional<format::SnapshotRecord> undo;
};

std::string resume_hint(const Rollback& rollback) {
  const std::string& path = rollback.locked.disk.path;
  std::string hint = "the rollback is not finished; go on with it: blkrewind resume " + path;
  if (rollback.undo) hint += ", or take it back: blkrewind undo " + path;
  return hint;
}

Result<RestoreOutcome> stream(const Rollback& rollback, const store::Tree& now,
                              store::SegmentWriter* writer, std::uint64_t work_bytes,
                              bool verify_only) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret(), writer);
  RestoreRequest request;
  request.device = verify_only ? nullptr : rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.chunks = difference_stream(reader, now, store::tree_of(rollback.target));
  request.phase = verify_only ? "verify" : "restore";
  request.work_bytes = work_bytes;
  request.threads = rollback.threads;
  return restore_chunks(rollback.store, request, rollback.monitor);
}

Status flush_device(const Rollback& rollback) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 4}));
  return io::flush_now(*queue, *rollback.device.file);
}

// Remembers that a snapshot is damaged. The rollback's own error is what the user needs to see, so a
// journal that cannot take it is only logged.
void mark_damaged(store::Store& store, format::SnapshotNumber number) {
  auto marked = store.journal().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        const auto* found = state.snapshot(number);
        if (found == nullptr || found->damaged) return format::Transaction{};
        format::SnapshotRecord record = *found;
        record.damaged = true;
        return format::Transaction{record};
      });
  if (!marked) log::warning("cannot mark the snapshot as damaged: " + marked.error().to_string());
}

void fill(RollbackReceipt& receipt, const Rollback& rollback) {
  receipt.request_id = rollback.request_id;
  receipt.disk_id = rollback.locked.disk.id;
  receipt.snapshot_id = rollback.target.id;
  if (rollback.undo) receipt.undo_snapshot_id = rollback.undo->id;
  receipt.device_bytes = rollback.geometry.device_bytes;
  receipt.root_digest = to_hex(rollback.target.root_digest);
}

void add(RollbackReceipt& receipt, const RestoreOutcome& outcome) {
  receipt.restored_bytes = outcome.restored_bytes;
  receipt.zeroed_bytes = outcome.zeroed_bytes;
  receipt.extents = outcome.extents;
}

// The last record: the device equals the target.
Status finish(const Rollback& rollback, const format::LastRollback& last) {
  return rollback.store.journal().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        format::Transaction transaction;
        if (state.intents.contains(rollback.locked.disk.number)) {
          transaction.emplace_back(format::IntentRemoved{rollback.locked.disk.number});
        }
        format::DiskRecord disk = *state.disk(rollback.locked.disk.number);
        disk.anchor = rollback.target.number;
        disk.last_rollback = last;
        if (disk != *state.disk(disk.number)) transaction.emplace_back(std::move(disk));
        return transaction;
      });
}

// Re-reads what the interrupted rollback may have touched (everything, when it had no undo) and
// restores what does not equal the target. The intent stands already.
Result<RollbackReceipt> drive_to_target(const Rollback& rollback,
                                        const std::optional<format::SnapshotRecord>& other) {
  const Stopwatch watch;
  RollbackReceipt receipt;
  fill(receipt, rollback);
  BLKREWIND_ASSIGN(auto writer, rollback.store.make_writer());
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret());
  ScanRequest scan;
  scan.device = rollback.device.file.get();
  scan.geometry = rollback.geometry;
  scan.references = {store::tree_of(rollback.target)};
  scan.writer = writer.get();
  scan.threads = rollback.threads;
  track::FullScan everything(*rollback.device.file, rollback.geometry);
  std::optional<PlanSource> planned;
  scan.source = &everything;
  scan.work_bytes = rollback.geometry.device_bytes;
  if (other) {
    planned.emplace(reader, store::tree_of(*other), store::tree_of(rollback.target));
    scan.source = &*planned;
  }
  receipt.change_source = scan.source->name();
  BLKREWIND_ASSIGN(const ScanOutcome now, scan_device(rollback.store, scan, rollback.monitor));
  BLKREWIND_TRY(writer->write_nodes(*queue));
  BLKREWIND_ASSIGN(const RestoreOutcome outcome,
                   stream(rollback, {rollback.geometry, now.root}, writer.get(),
                          now.changed_bytes, false));
  if (!outcome.bad.empty()) return fail(bad_chunk_error(outcome.bad.front(), rollback.geometry));
  BLKREWIND_TRY(flush_device(rollback));
  receipt.scanned_bytes = now.scanned_bytes;
  receipt.changed_bytes = now.changed_bytes;
  add(receipt, outcome);
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

// The target cannot be had: the device goes back to the undo snapshot, chunk by chunk where it differs.
// Returns the error for the user, which says how that ended.
Error put_back(const Rollback& rollback, Error error) {
  mark_damaged(rollback.store, rollback.target.number);
  const Monitor deaf;  // no cancelling half-way back
  Rollback back{rollback.store,    rollback.locked,     rollback.device,
                deaf,              rollback.threads,    rollback.geometry,
                rollback.request_id, *rollback.undo,    rollback.undo};
  auto done = drive_to_target(back, rollback.target);
  Status finished;
  if (done) {
    finished = finish(back, rollback.locked.disk.last_rollback);
  } else {
    finished = fail(std::move(done).error());
  }
  if (finished) {
    error.message += "; the device has been put back as it was";
    error.hint = "choose another snapshot; blkrewind verify tells what else is damaged";
  } else {
    error.message += "; putting the device back failed as well: " + finished.error().to_string();
    error.hint = resume_hint(rollback);
  }
  return error;
}

class RollbackRun {
 public:
  explicit RollbackRun(Rollback rollback) : rollback_(std::move(rollback)) {}

  Result<RollbackReceipt> plan_only() {
    const Stopwatch watch;
    rollback::Planner planner(rollback_.geometry, rollback_.device.file->max_request_bytes());
    const auto count = [&](const std::optional<rollback::PlanItem>& item) {
      if (!item) return;
      ++receipt_.extents;
      (item->zero ? receipt_.zeroed_bytes : receipt_.restored_bytes) += item->device.length;
    };
    auto scanned = scan(nullptr, false, [&](const track::ScanResult& leaf) -> Status {
      for (std::uint64_t i = 0; i < format::kFanout; ++i) {
        if (leaf.entries[i].digest == leaf.reference[i].digest) continue;
        count(planner.add(leaf.leaf * format::kFanout + i, leaf.reference[i]));
      }
      return {};
    });
    if (!scanned) return fail(std::move(scanned).error());
    count(planner.finish());
    receipt_.dry_run = true;
    return complete(watch, *scanned);
  }

  Result<RollbackReceipt> run(bool with_undo) {
    const Stopwatch watch;
    BLKREWIND_ASSIGN(auto writer, rollback_.store.make_writer());
    BLKREWIND_ASSIGN(const ScanOutcome now, scan(writer.get(), with_undo, {}));
    if (now.changed_bytes == 0) {
      BLKREWIND_TRY(finish(rollback_, last_rollback(true)));
      return complete(watch, now);
    }
    const store::Tree tree{rollback_.geometry, now.root};
    BLKREWIND_ASSIGN(auto queue, rollback_.store.env().make_queue({.depth = 8}));
    if (with_undo) {
      BLKREWIND_TRY(writer->seal(*queue));
      make_undo_record(now);
    } else {
      BLKREWIND_TRY(writer->write_nodes(*queue));
      BLKREWIND_ASSIGN(const RestoreOutcome outcome,
                       stream(rollback_, tree, writer.get(), now.changed_bytes, true));
      if (!outcome.bad.empty()) {
        mark_damaged(rollback_.store, rollback_.target.number);
        Error error = bad_chunk_error(outcome.bad.front(), rollback_.geometry);
        error.message += "; nothing was written to the device";
        error.hint = "choose another snapshot; blkrewind verify tells what else is damaged";
        return fail(std::move(error));
      }
    }
    BLKREWIND_TRY(declare(with_undo ? writer.get() : nullptr));

    // From here on the device may differ from both snapshots, and the intent says so.
    auto outcome = stream(rollback_, tree, writer.get(), now.changed_bytes, false);
    if (outcome && !outcome->bad.empty()) {
      Error error = bad_chunk_error(outcome->bad.front(), rollback_.geometry);
      if (rollback_.undo) return fail(put_back(rollback_, std::move(error)));
      outcome = fail(std::move(error));
    }
    Status written;
    if (outcome) {
      written = flush_device(rollback_);
    } else {
      written = fail(std::move(outcome).error());
    }
    if (!written) return fail(std::move(written).error().with_hint(resume_hint(rollback_)));
    if (auto done = finish(rollback_, last_rollback(false)); !done) {
      return fail(std::move(done).error().with_hint(resume_hint(rollback_)));
    }
    add(receipt_, *outcome);
    return complete(watch, now);
  }

 private:
  Result<ScanOutcome> scan(store::SegmentWriter* writer, bool capture,
                           std::function<Status(const track::ScanResult&)> visit) {
    track::FullScan source(*rollback_.device.file, rollback_.geometry);
    ScanRequest request;
    request.device = rollback_.device.file.get();
    request.geometry = rollback_.geometry;
    request.source = &source;
    request.references.push_back(store::tree_of(rollback_.target));
    // What the device equalled last may hold the chunks that differ from the target already.
    if (const auto anchor = parent_of(*rollback_.locked.state, rollback_.locked.disk,
                                      rollback_.geometry);
        anchor && anchor->number != rollback_.target.number) {
      request.references.push_back(store::tree_of(*anchor));
      anchor_ = anchor->number;
    }
    request.writer = writer;
    request.capture = capture;
    request.threads = rollback_.threads;
    request.work_bytes = rollback_.geometry.device_bytes;
    request.visit = std::move(visit);
    receipt_.change_source = source.name();
    return scan_device(rollback_.store, request, rollback_.monitor);
  }

  void make_undo_record(const ScanOutcome& now) {
    format::SnapshotRecord undo;
    undo.disk = rollback_.locked.disk.number;
    undo.id = new_id("s-");
    undo.description = "before the rollback to " + rollback_.target.id;
    undo.kind = SnapshotKind::kUndo;
    undo.state = SnapshotState::kAccomplished;
    undo.created_at = now_seconds();
    undo.device_bytes = rollback_.geometry.device_bytes;
    undo.chunk_bytes = rollback_.geometry.chunk_bytes;
    undo.root = now.root;
    undo.root_digest =
        format::root_digest(rollback_.store.secret(), rollback_.geometry, now.root.digest);
    undo.stored_bytes = now.stored_bytes;
    undo.zero_bytes = now.zero_bytes;
    undo.kin.push_back(rollback_.target.number);
    if (anchor_ != 0) undo.kin.push_back(anchor_);
    rollback_.undo = std::move(undo);
    receipt_.undo_stored_bytes = now.stored_bytes;
  }

  // The undo snapshot and the intent become true together.
  Status declare(store::SegmentWriter* writer) {
    if (writer != nullptr) writer->keep();
    return rollback_.store.journal().update(
        [&](const store::State& state) -> Result<format::Transaction> {
          format::Transaction transaction;
          format::Counters counters = state.counters;
          if (rollback_.undo) {
            rollback_.undo->number = counters.next_snapshot++;
            transaction.emplace_back(*rollback_.undo);
          }
          if (writer != nullptr) {
            counters.next_segment = std::max(counters.next_segment, writer->next_segment());
            for (const auto& segment : writer->records()) transaction.emplace_back(segment);
          }
          if (counters != state.counters) transaction.emplace_back(counters);
          format::IntentRecord intent;
          intent.disk = rollback_.locked.disk.number;
          intent.request_id = rollback_.request_id;
          intent.target = rollback_.target.number;
          intent.undo = rollback_.undo ? rollback_.undo->number : 0;
          intent.started_at = now_seconds();
          transaction.emplace_back(std::move(intent));
          return transaction;
        });
  }

  [[nodiscard]] format::LastRollback last_rollback(bool changed_nothing) const {
    return {rollback_.request_id, rollback_.target.number,
            rollback_.undo ? rollback_.undo->number : 0, changed_nothing, now_seconds()};
  }

  RollbackReceipt complete(const Stopwatch& watch, const ScanOutcome& scanned) {
    fill(receipt_, rollback_);
    receipt_.scanned_bytes = scanned.scanned_bytes;
    receipt_.changed_bytes = scanned.changed_bytes;
    receipt_.elapsed_seconds = watch.seconds();
    return std::move(receipt_);
  }

  Rollback rollback_;
  format::SnapshotNumber anchor_ = 0;
  RollbackReceipt receipt_;
};

Status check_size(const OpenedDevice& device, const format::SnapshotRecord& target) {
  if (device.info.size_bytes == target.device_bytes) return {};
  return fail(Errc::kPrecondition,
              device.info.path + " has " + std::to_string(device.info.size_bytes) +
                  " bytes, but had " + std::to_string(target.device_bytes) +
                  " when the snapshot was taken",
              "give it its former size, or export the snapshot to an image");
}

}  // namespace

Result<RollbackReceipt> Operations::rollback(const RollbackRequest& request,
                                             const Monitor& monitor) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, request.disk, Pending::kRefuse));
  BLKREWIND_ASSIGN(const auto target, find_accomplished(*locked.state, request.target));
  if (target.disk != request.disk) {
    return fail(Errc::kInvalidArgument, "snapshot " + target.id + " is not one of this disk");
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, request.path,
                               request.dry_run ? DeviceUse::kRead : DeviceUse::kWrite));
  BLKREWIND_TRY(check_size(device, target));
  RollbackRun run({store, locked, device, monitor, parts_->threads,
                   store::tree_of(target).geometry, request.request_id, target, std::nullopt});
  return request.dry_run ? run.plan_only() : run.run(request.undo);
}

Result<RollbackReceipt> Operations::resume(format::DiskNumber number, const std::string& path,
                                           bool backwards, const Monitor& monitor) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kAllow));
  const auto found = locked.state->intents.find(number);
  if (found == locked.state->intents.end()) {
    return fail(Errc::kPrecondition, "no rollback of " + locked.disk.path + " was interrupted",
                "see: blkrewind list");
  }
  const format::IntentRecord intent = found->second;
  if (backwards && intent.undo == 0) {
    return fail(Errc::kPrecondition,
                "the interrupted rollback was started with --no-undo: the state before it is gone",
                "finish it: blkrewind resume " + locked.disk.path);
  }
  BLKREWIND_ASSIGN(const auto forward, find_accomplished(*locked.state, intent.target));
  std::optional<format::SnapshotRecord> undo;
  if (intent.undo != 0) {
    BLKREWIND_ASSIGN(undo, find_accomplished(*locked.state, intent.undo));
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, path, DeviceUse::kWrite));
  BLKREWIND_TRY(check_size(device, forward));
  const Rollback rollback{store,
                          locked,
                          device,
                          monitor,
                          parts_->threads,
                          store::tree_of(forward).geometry,
                          intent.request_id,
                          backwards ? *undo : forward,
                          undo};
  auto done = drive_to_target(rollback, backwards ? std::optional(forward) : undo);
  if (!done) {
    Error error = std::move(done).error();
    if (error.code == Errc::kIntegrity && undo && !backwards) {
      return fail(put_back(rollback, std::move(error)));
    }
    return fail(std::move(error).with_hint(resume_hint(rollback)));
  }
  // Taken back, the interrupted rollback never was: what could be undone before still can be.
  const format::LastRollback last =
      backwards ? locked.disk.last_rollback
                : format::LastRollback{intent.request_id, intent.target, intent.undo, false,
                                       now_seconds()};
  BLKREWIND_TRY(finish(rollback, last));
  if (backwards) done->undo_snapshot_id.reset();
  return done;
}

}  // namespace blkrewind
