// Bringing a device back to a snapshot.
//
//   1. scan      the device is compared with the target, where it may differ from it; with undo,
//                what differs and is not held goes to segments of its own. The result is a tree of
//                the device as it is now. (Where a tracker knows what may differ and nothing is
//                kept for undo, nothing is read: unread_rollback.h)
//   2. preflight without undo: every chunk that will be needed is read and verified; with undo,
//                every chunk that undo would need and that an older snapshot holds. Where that one
//                is corrupt, the scan is made again, and the device's own bytes are kept
//   3. intent    journal: the undo snapshot (with undo) and the intent, in one record
//   4. stream    the difference of the two trees, from the store to the device; flush
//   5. done      journal: no intent, the device equals the target
//
// When power goes before 3, nothing happened to the device, and the segments are orphans. Between 3
// and 5 the intent names the target and the undo snapshot: resume() streams again what differs,
// forwards or backwards. Streaming is idempotent. After 5 the rollback is finished.
//
// A chunk of the target that turns out to be corrupt: without undo it is found in 2, before
// anything is written; with undo in 4, and the device is put back to the undo snapshot at once.
#include <algorithm>
#include <string>
#include <utility>

#include "base/ids.h"
#include "operations/rollback_steps.h"
#include "operations/tracked_chunks.h"
#include "operations/unread_rollback.h"
#include "operations/verify_after.h"
#include "pipeline/differing_chunks.h"
#include "pipeline/full_scan.h"
#include "pipeline/scan.h"
#include "store/tree_diff.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

using format::SnapshotState;

class RollbackRun {
 public:
  // `watch`: from when on the operation is timed.
  RollbackRun(Rollback rollback, const pipeline::Stopwatch& watch)
      : rollback_(std::move(rollback)), watch_(watch) {}

  Result<RollbackReceipt> plan_only() {
    pipeline::Planner planner(rollback_.geometry, rollback_.device.file->max_request_bytes());
    std::uint64_t planned_to = 0;
    const auto count = [&](const std::optional<pipeline::PlanItem>& item) {
      if (!item) return;
      if (receipt_.extents == 0 || item->device.offset != planned_to) ++receipt_.extents;
      planned_to = item->device.end();
      (item->zero ? receipt_.zeroed_bytes : receipt_.restored_bytes) += item->device.length;
    };
    auto scanned = scan(nullptr, false, [&](const pipeline::ScanResult& leaf) -> Status {
      for (std::uint64_t i = 0; i < format::kFanout; ++i) {
        if (leaf.entries[i].digest == leaf.reference[i].digest) continue;
        count(planner.add(leaf.leaf * format::kFanout + i, leaf.reference[i]));
      }
      return {};
    });
    if (!scanned) return fail(std::move(scanned).error());
    count(planner.finish());
    receipt_.dry_run = true;
    return complete(*scanned);
  }

  Result<RollbackReceipt> run(bool with_undo) {
    auto done = run_whole(with_undo);
    if (done || declared_ || done.error().code != Errc::kNoSpace) return done;
    Error error = std::move(done).error();
    error.message = "the store has no room, and the device is untouched: " + error.message;
    error.hint =
        "make room on the file system of the store, or delete snapshots, which needs none: "
        "blkrewind delete";
    if (with_undo) error.hint += "; or do without an undo snapshot: --no-undo";
    return fail(std::move(error));
  }

 private:
  Result<RollbackReceipt> run_whole(bool with_undo) {
    if (!with_undo && may_trust()) {
      BLKREWIND_ASSIGN(UnreadRollback unread, UnreadRollback::prepare(rollback_));
      receipt_.change_source = rollback_.tracking->source()->name();
      receipt_.scan_seconds = watch_.seconds();
      return restore(
          unread.planned(), [&] { return unread.stream(Streaming::kWrite); },
          [&](bool* missed) -> Status {
            BLKREWIND_ASSIGN(TrackedChunks written, TrackedChunks::of(rollback_));
            return verify_written(rollback_, written.source(), receipt_, missed);
          });
    }
    return with_undo ? run_kept() : run_unkept();
  }

  // Nothing is kept for undo: the store needs no room.
  Result<RollbackReceipt> run_unkept() {
    pipeline::DifferingChunks differing(rollback_.geometry);
    BLKREWIND_ASSIGN(const pipeline::ScanOutcome now,
                     scan(nullptr, false, [&](const pipeline::ScanResult& leaf) -> Status {
                       differing.add(leaf);
                       return {};
                     }));
    const auto stream_differing = [&](Streaming how) {
      pipeline::DifferingChunks::Source source(differing);
      return stream(rollback_, source, now.changed_bytes, how);
    };
    if (now.changed_bytes != 0) {
      BLKREWIND_ASSIGN(const pipeline::RestoreOutcome outcome,
                       stream_differing(Streaming::kVerify));
      if (!outcome.bad.empty()) return fail(bad_target(rollback_, outcome.bad.front()));
      BLKREWIND_TRY(pipeline::all_readable(rollback_.store, outcome, rollback_.geometry));
    }
    return restore(
        now, [&] { return stream_differing(Streaming::kWrite); },
        [&](bool* missed) {
          pipeline::DifferingChunks::Source written(differing);
          return verify_written(rollback_, written, receipt_, missed);
        });
  }

  Result<RollbackReceipt> run_kept() {
    BLKREWIND_ASSIGN(auto queue, rollback_.store.env().make_queue({.depth = 8}));
    BLKREWIND_ASSIGN(auto writer, rollback_.store.make_writer());
    BLKREWIND_ASSIGN(pipeline::ScanOutcome now, scan(writer.get(), true, {}));
    if (anchor_ != 0 && now.changed_bytes != 0) {
      BLKREWIND_TRY(writer->write_nodes(*queue));
      auto shared = shared_is_whole(now, *writer);
      if (!shared) return fail(std::move(shared).error());
      if (*shared != Shared::kWhole) {
        // The device still has what the store has lost, or cannot read now: keep that, and share
        // nothing.
        if (*shared == Shared::kDamaged) mark_damaged(rollback_.store, anchor_);
        anchor_ = 0;
        shares_ = false;
        BLKREWIND_ASSIGN(writer, rollback_.store.make_writer());
        BLKREWIND_ASSIGN(now, scan(writer.get(), true, {}));
      }
    }
    const store::Tree tree{rollback_.geometry, now.root};
    if (now.changed_bytes != 0) {
      BLKREWIND_TRY(writer->seal(*queue));
      make_undo_record(now);
    }
    // A chunk that a tracker named may differ in one block only, and it has been read already.
    rollback_.compares = may_trust();
    return restore(
        now,
        [&] { return stream(rollback_, tree, writer.get(), now.changed_bytes, Streaming::kWrite); },
        [&](bool* missed) {
          return verify_written(rollback_, tree, writer.get(), receipt_, missed);
        },
        writer.get());
  }

  // From the intent on. `write`: streams what differs to the device. `verify`: reads back what was
  // written, as far as was asked for. `captured`: the segments of the undo snapshot.
  Result<RollbackReceipt> restore(const pipeline::ScanOutcome& now,
                                  const std::function<Result<pipeline::RestoreOutcome>()>& write,
                                  const std::function<Status(bool* missed)>& verify,
                                  store::SegmentWriter* captured = nullptr) {
    // Before it is written to, and before it is said to equal the target.
    BLKREWIND_TRY(recheck_device(rollback_.store.env(), rollback_.store.layout().root(),
                                 rollback_.locked.disk, rollback_.device));
    receipt_.scanned_bytes = now.scanned_bytes;
    receipt_.changed_bytes = now.changed_bytes;
    add(receipt_, now.unreadable);
    bool missed = false;
    if (now.changed_bytes == 0) {
      BLKREWIND_TRY(verify(&missed));
      update_partitions(rollback_, receipt_);
      // What could be undone before still can be.
      BLKREWIND_TRY(
          finish(rollback_, rollback_.locked.disk.last_rollback, track::Collected::kDropped));
      return complete(now);
    }
    BLKREWIND_TRY(declare(captured));
    declared_ = true;

    // From here on the device may differ from both snapshots, and the intent says so.
    const auto unfinished = [&](Error error) {
      return fail(to_be_resumed(rollback_, std::move(error)));
    };
    const pipeline::Stopwatch restoring;
    const auto outcome = write();
    if (!outcome) return unfinished(outcome.error());
    if (!outcome->bad.empty()) {
      Error error = pipeline::bad_chunk_error(outcome->bad.front(), rollback_.geometry);
      if (rollback_.undo) return fail(put_back(rollback_, std::move(error), Hold::kKept));
      return unfinished(std::move(error));
    }
    // A store that cannot be read now damages nothing: the rollback stands, to be resumed.
    if (auto read = pipeline::all_readable(rollback_.store, *outcome, rollback_.geometry); !read) {
      return unfinished(read.error());
    }
    rollback_.tracking->wrote(outcome->restored_bytes + outcome->zeroed_bytes);
    if (const auto flushed = flush_device(rollback_); !flushed) return unfinished(flushed.error());
    update_partitions(rollback_, receipt_);
    add(receipt_, *outcome);
    const auto rechecked = verify(&missed);
    if (!rechecked && !missed) return unfinished(rechecked.error());
    receipt_.restore_seconds = restoring.seconds();
    if (const auto done = finish(rollback_, last_rollback(), track::Collected::kDropped); !done) {
      return unfinished(done.error());
    }
    if (!rechecked) return fail(rechecked.error());
    return complete(now);
  }

  [[nodiscard]] bool may_trust() const { return shares_ && blkrewind::may_trust(rollback_); }

  Result<pipeline::ScanOutcome> scan(store::SegmentWriter* writer, bool capture,
                                     std::function<Status(const pipeline::ScanResult&)> visit) {
    pipeline::FullScan everything(*rollback_.device.file, rollback_.geometry);
    std::optional<TrackedChunks> tracked;
    pipeline::ScanRequest request;
    request.device = rollback_.device.file.get();
    request.geometry = rollback_.geometry;
    request.source = &everything;
    request.work_bytes = rollback_.geometry.device_bytes;
    if (may_trust()) {
      BLKREWIND_ASSIGN(tracked, TrackedChunks::of(rollback_));
      request.source = &tracked->source();
      BLKREWIND_ASSIGN(request.work_bytes, tracked->work_bytes());
    }
    request.references.push_back(store::tree_of(rollback_.target));
    // What the device equalled last may hold the chunks that differ from the target already.
    const auto anchor =
        shares_ ? parent_of(*rollback_.locked.state, rollback_.locked.disk, rollback_.geometry)
                : std::nullopt;
    if (anchor && anchor->number != rollback_.target.number) {
      request.references.push_back(store::tree_of(*anchor));
      anchor_ = anchor->number;
    }
    request.writer = writer;
    request.capture = capture;
    request.means = rollback_.means;
    // Such a sector differs, and writing it is what heals it.
    request.passes_over_unreadable = true;
    request.mark = rollback_.request_id;
    request.visit = std::move(visit);
    receipt_.change_source = request.source->name();
    const pipeline::Stopwatch watch;
    auto outcome = pipeline::scan_device(rollback_.store, request, rollback_.monitor);
    receipt_.scan_seconds += watch.seconds();
    // What was not looked at is as in the target.
    if (outcome && tracked) {
      outcome->zero_bytes += rollback_.target.zero_bytes - outcome->reference_zero_bytes;
    }
    return outcome;
  }

  // Reads and verifies what is about to be overwritten and is held by an older snapshot already: as
  // a part of the undo snapshot it must be right before the device is not any more.
  enum class Shared : std::uint8_t { kWhole, kDamaged, kUnreadable };
  Result<Shared> shared_is_whole(const pipeline::ScanOutcome& now, store::SegmentWriter& writer) {
    BLKREWIND_ASSIGN(auto queue, rollback_.store.env().make_queue({.depth = 8}));
    store::TreeReader reader(rollback_.store.files(), *queue, rollback_.store.secret(), &writer);
    store::TreeDiff diff(reader, {rollback_.geometry, now.root}, store::tree_of(rollback_.target));
    pipeline::RestoreRequest request;
    request.geometry = rollback_.geometry;
    request.chunks = [&]() -> Result<std::optional<pipeline::ChunkTarget>> {
      while (true) {
        BLKREWIND_ASSIGN(const auto difference, diff.next());
        if (!difference) return std::optional<pipeline::ChunkTarget>{};
        const format::Entry& held = difference->from;
        if (held.state == format::EntryState::kStored && writer.find(held.segment) == nullptr) {
          return std::optional<pipeline::ChunkTarget>({difference->chunk, held});
        }
      }
    };
    request.phase = "verify";
    request.work_bytes = now.changed_bytes - now.stored_bytes;
    request.means = rollback_.means;
    BLKREWIND_ASSIGN(const auto outcome,
                     pipeline::restore_chunks(rollback_.store, request, rollback_.monitor));
    if (!outcome.bad.empty()) return Shared::kDamaged;
    return outcome.unreadable.empty() ? Shared::kWhole : Shared::kUnreadable;
  }

  void make_undo_record(const pipeline::ScanOutcome& now) {
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
    if (!now.unreadable.empty()) {
      undo.failure = now.unreadable.note();
      undo.description += "; " + undo.failure;
    }
    undo.kin.push_back(rollback_.target.number);
    if (anchor_ != 0) undo.kin.push_back(anchor_);
    rollback_.undo = std::move(undo);
    receipt_.undo_stored_bytes = now.stored_bytes;
  }

  // The undo snapshot and the intent become true together.
  Status declare(store::SegmentWriter* writer) {
    Status declared = rollback_.store.journal().update(
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
        },
        rollback_.undo ? store::Room::kAdds : store::Room::kBegins);
    if (writer != nullptr && (declared || rollback_.store.journal().in_doubt())) writer->keep();
    return declared;
  }

  [[nodiscard]] format::LastRollback last_rollback() const {
    return {rollback_.request_id, rollback_.target.number,
            rollback_.undo ? rollback_.undo->number : 0, now_seconds()};
  }

  RollbackReceipt complete(const pipeline::ScanOutcome& scanned) {
    fill(receipt_, rollback_);
    receipt_.scanned_bytes = scanned.scanned_bytes;
    receipt_.changed_bytes = scanned.changed_bytes;
    add(receipt_, scanned.unreadable);
    receipt_.elapsed_seconds = watch_.seconds();
    return std::move(receipt_);
  }

  Rollback rollback_;
  const pipeline::Stopwatch watch_;
  bool declared_ = false;              // the intent is in the journal
  format::SnapshotNumber anchor_ = 0;  // shared with; 0: none
  bool shares_ = true;
  RollbackReceipt receipt_;
};

}  // namespace

Result<RollbackReceipt> Operations::rollback(const RollbackRequest& request, const Monitor& monitor,
                                             std::shared_ptr<io::Lock> held) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked,
                   lock_disk(store, request.disk, Pending::kRefuse, std::move(held)));
  BLKREWIND_ASSIGN(const auto target, find_accomplished(*locked.state, request.target));
  if (!request.takes_back.empty() && request.takes_back != locked.disk.last_rollback.request_id) {
    // It ended between the caller's look and our lock.
    return fail(Errc::kBusy, "another rollback of " + request.path + " has ended just now",
                "see which one undo would take back now: blkrewind list " + request.path);
  }
  if (target.disk != request.disk) {
    return fail(Errc::kInvalidArgument, "snapshot " + target.id + " is not one of this disk");
  }
  BLKREWIND_ASSIGN(const OpenedDevice device,
                   open_device(parts_->env, store_path(), locked.disk, request.path,
                               request.dry_run ? DeviceUse::kPlan : DeviceUse::kWrite));
  if (!request.dry_run) remember_seen(store, locked, device);
  BLKREWIND_TRY(check_size(device, target));
  BLKREWIND_ASSIGN(
      Tracking tracking,
      Tracking::begin(parts_->trackers, store, locked, device.info, request.change_source,
                      request.dry_run ? track::TrackUse::kRead : track::TrackUse::kWrite));
  RollbackRun run(
      {store, locked, device, monitor, parts_->means, store::tree_of(target).geometry,
       request.request_id, target, std::nullopt, &tracking, false, request.verify_after},
      watch);
  return request.dry_run ? run.plan_only() : run.run(request.undo);
}

}  // namespace blkrewind
