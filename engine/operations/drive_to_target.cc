// From whatever the device holds to the target of a rollback that was interrupted, forwards or
// backwards, and the way back from one that met a corrupt chunk.
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/ids.h"
#include "operations/rollback_steps.h"
#include "operations/tracked_chunks.h"
#include "operations/verify_after.h"
#include "pipeline/differing_chunks.h"
#include "pipeline/full_scan.h"
#include "pipeline/plan_source.h"
#include "pipeline/scan.h"
#include "store/tree_cursor.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

// One look at the device, on the way to the target of an interrupted rollback.
class Look {
 public:
  Look(const Rollback& rollback, const std::optional<format::SnapshotRecord>& other, Hold hold)
      : rollback_(rollback),
        other_(other),
        plan_only_(other && hold == Hold::kKept),
        differing_(rollback.geometry) {}

  Status run() {
    BLKREWIND_ASSIGN(queue_, rollback_.store.env().make_queue({.depth = 8}));
    reader_.emplace(rollback_.store.files(), *queue_, rollback_.store.secret());
    if (!other_ || plan_only_) return scan(Compare::kTarget, nullptr);
    Compare with = Compare::kBoth;
    Status done = scan(with, nullptr);
    if (!done && done.error().code == Errc::kIntegrity) {
      // The tree of the other end may be what is damaged: then all that differs is kept.
      with = Compare::kTarget;
      done = scan(with, nullptr);
    }
    if (!done || now_.foreign_bytes == 0) return done;
    BLKREWIND_ASSIGN(const bool ours, all_half_written());
    if (ours) return {};
    // Only what has to be kept needs room in the store.
    BLKREWIND_ASSIGN(auto writer, rollback_.store.make_writer());
    Status kept = scan(with, writer.get());
    if (kept && now_.foreign_bytes != 0) kept = keep(*writer);
    if (kept || kept.error().code != Errc::kNoSpace) return kept;
    Error error = std::move(kept).error();
    error.message = "the store has no room for what was written to the device since the rollback " +
                    ("was interrupted, and the device is as it was found: " + error.message);
    error.hint =
        "make room on the file system of the store, or delete snapshots, which needs none: "
        "blkrewind delete";
    return fail(std::move(error));
  }

  [[nodiscard]] const pipeline::ScanOutcome& now() const { return now_; }
  [[nodiscard]] const char* source_name() const { return source_name_; }
  [[nodiscard]] pipeline::DifferingChunks::Source differing() const {
    return pipeline::DifferingChunks::Source(differing_);
  }
  [[nodiscard]] const std::optional<format::SnapshotRecord>& kept() const { return kept_; }

 private:
  enum class Compare : std::uint8_t { kTarget, kBoth };

  // `keeps`: where what equals none of the trees is kept; may be null.
  Status scan(Compare with, store::SegmentWriter* keeps) {
    pipeline::ScanRequest request;
    request.device = rollback_.device.file.get();
    request.geometry = rollback_.geometry;
    request.references = {store::tree_of(rollback_.target)};
    if (with == Compare::kBoth) request.references.push_back(store::tree_of(*other_));
    request.writer = keeps;
    request.capture = keeps != nullptr;
    request.passes_over_unreadable = true;
    request.mark = rollback_.request_id;
    request.means = rollback_.means;
    pipeline::FullScan everything(*rollback_.device.file, rollback_.geometry);
    request.source = &everything;
    request.work_bytes = rollback_.geometry.device_bytes;
    std::optional<pipeline::PlanSource> planned;
    std::optional<TrackedChunks> tracked;
    if (plan_only_) {
      request.source =
          &planned.emplace(*reader_, store::tree_of(*other_), store::tree_of(rollback_.target));
    } else if (may_trust(rollback_)) {
      BLKREWIND_ASSIGN(tracked, TrackedChunks::of(rollback_));
      request.source = &tracked->source();
      BLKREWIND_ASSIGN(request.work_bytes, tracked->work_bytes());
    }
    foreign_.clear();
    differing_.clear();
    std::optional<store::TreeCursor> other;
    if (request.references.size() == 2) other.emplace(*reader_, request.references[1]);
    request.visit = [&](const pipeline::ScanResult& leaf) -> Status {
      differing_.add(leaf);
      if (!other || leaf.foreign_bytes == 0 || foreign_.size() > kForeignMax) return {};
      BLKREWIND_ASSIGN(const format::Entries* entries, other->leaf(leaf.leaf));
      for (std::uint64_t i = 0; i < format::kFanout; ++i) {
        const format::Entry beside = entries != nullptr ? (*entries)[i] : format::Entry{};
        const Digest& now = leaf.entries[i].digest;
        if (now == leaf.reference[i].digest || now == beside.digest) continue;
        foreign_.push_back({leaf.leaf * format::kFanout + i, leaf.reference[i], beside});
      }
      return {};
    };
    source_name_ = request.source->name();
    BLKREWIND_ASSIGN(now_, pipeline::scan_device(rollback_.store, request, rollback_.monitor));
    // What was not looked at is as in the target.
    if (tracked) now_.zero_bytes += rollback_.target.zero_bytes - now_.reference_zero_bytes;
    return {};
  }

  // A chunk that equals neither end.
  struct Foreign {
    std::uint64_t chunk = 0;
    format::Entry target;
    format::Entry other;
  };
  static constexpr std::size_t kForeignMax = 4096;

  // Whether each of them is what the interrupted rollback itself left half written: every sector is
  // that of one end or of the other. What cannot be read is not.
  Result<bool> all_half_written() {
    if (foreign_.empty() || foreign_.size() > kForeignMax || !now_.unreadable.empty()) return false;
    const std::size_t room = align_up(rollback_.geometry.chunk_bytes, format::kBlockBytes);
    AlignedBuffer now(room);
    AlignedBuffer target(room);
    AlignedBuffer other(room);
    constexpr std::size_t kSectorBytes = 512;
    for (const Foreign& chunk : foreign_) {
      const Extent extent = rollback_.geometry.chunk_extent(chunk.chunk);
      if (!io::read_now(*queue_, *rollback_.device.file, extent, now.data())) return false;
      if (!read_stored(chunk.target, target) || !read_stored(chunk.other, other)) return false;
      for (std::size_t at = 0; at < extent.length; at += kSectorBytes) {
        const std::size_t length = std::min<std::size_t>(kSectorBytes, extent.length - at);
        if (std::memcmp(now.data() + at, target.data() + at, length) != 0 &&
            std::memcmp(now.data() + at, other.data() + at, length) != 0) {
          return false;
        }
      }
    }
    return true;
  }

  bool read_stored(const format::Entry& entry, AlignedBuffer& into) {
    std::memset(into.data(), 0, into.size());
    if (entry.is_zero()) return true;
    const std::uint64_t length = align_up(entry.length_bytes, format::kBlockBytes);
    if (entry.state != format::EntryState::kStored || length > into.size()) return false;
    const auto file = rollback_.store.files().get(entry.segment, *queue_);
    return file && io::read_now(*queue_, **file, {entry.offset_bytes(), length}, into.data());
  }

  Status keep(store::SegmentWriter& writer) {
    BLKREWIND_TRY(writer.seal(*queue_));
    format::SnapshotRecord record;
    record.disk = rollback_.locked.disk.number;
    record.id = new_id("s-");
    record.description = "found when the interrupted rollback was ended at " + rollback_.target.id;
    record.kind = SnapshotKind::kUndo;
    record.state = format::SnapshotState::kAccomplished;
    record.created_at = now_seconds();
    record.device_bytes = rollback_.geometry.device_bytes;
    record.chunk_bytes = rollback_.geometry.chunk_bytes;
    record.root = now_.root;
    record.root_digest =
        format::root_digest(rollback_.store.secret(), rollback_.geometry, now_.root.digest);
    record.stored_bytes = now_.stored_bytes;
    record.zero_bytes = now_.zero_bytes;
    record.kin = {rollback_.target.number, other_->number};
    if (!now_.unreadable.empty()) record.failure = now_.unreadable.note();
    writer.keep();
    BLKREWIND_TRY(rollback_.store.journal().update(
        [&](const store::State& state) -> Result<format::Transaction> {
          format::Counters counters = state.counters;
          record.number = counters.next_snapshot++;
          counters.next_segment = std::max(counters.next_segment, writer.next_segment());
          format::Transaction transaction = {record, counters};
          for (const auto& segment : writer.records()) transaction.emplace_back(segment);
          return transaction;
        }));
    kept_ = std::move(record);
    return {};
  }

  const Rollback& rollback_;
  const std::optional<format::SnapshotRecord>& other_;
  const bool plan_only_;
  std::unique_ptr<io::Queue> queue_;
  std::optional<store::TreeReader> reader_;
  pipeline::DifferingChunks differing_;
  const char* source_name_ = "";
  pipeline::ScanOutcome now_;
  std::vector<Foreign> foreign_;
  std::optional<format::SnapshotRecord> kept_;
};

// The error of chunks that cannot be had; the others have been written.
Error unfinished_chunks(const Rollback& rollback, const pipeline::RestoreOutcome& outcome) {
  if (outcome.bad.empty()) {
    Error error = pipeline::unreadable_chunk_error(rollback.store, outcome.unreadable.front(),
                                                   rollback.geometry);
    error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                     std::to_string(outcome.unreadable.size()) +
                     " could not be read now, and all the others have been restored";
    return error;
  }
  Error error = pipeline::bad_chunk_error(outcome.bad.front(), rollback.geometry);
  error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                   std::to_string(outcome.failed()) +
                   " are lost so, and all the others have been restored";
  return error;
}

}  // namespace

Result<RollbackReceipt> drive_to_target(const Rollback& rollback,
                                        const std::optional<format::SnapshotRecord>& other,
                                        Streaming how, Hold hold) {
  const pipeline::Stopwatch watch;
  RollbackReceipt receipt;
  fill(receipt, rollback);
  Look look(rollback, other, hold);
  BLKREWIND_TRY(look.run());
  const pipeline::ScanOutcome& now = look.now();
  receipt.change_source = look.source_name();
  receipt.scan_seconds = watch.seconds();
  if (look.kept()) {
    receipt.kept_snapshot_id = look.kept()->id;
    receipt.kept_bytes = now.foreign_bytes;
  }
  BLKREWIND_TRY(recheck_device(rollback.store.env(), rollback.store.layout().root(),
                               rollback.locked.disk, rollback.device));
  const auto write = [&](Streaming streaming) {
    pipeline::DifferingChunks::Source differing = look.differing();
    return stream(rollback, differing, now.changed_bytes, streaming);
  };
  BLKREWIND_ASSIGN(pipeline::RestoreOutcome outcome, write(Streaming::kWrite));
  if (outcome.failed() != 0 && how == Streaming::kWriteWhatIsWhole) {
    BLKREWIND_ASSIGN(outcome, write(how));
    if (outcome.failed() != 0) {
      BLKREWIND_TRY(flush_device(rollback));
      return fail(unfinished_chunks(rollback, outcome));
    }
  }
  if (!outcome.bad.empty())
    return fail(pipeline::bad_chunk_error(outcome.bad.front(), rollback.geometry));
  BLKREWIND_TRY(pipeline::all_readable(rollback.store, outcome, rollback.geometry));
  rollback.tracking->wrote(outcome.restored_bytes + outcome.zeroed_bytes);
  BLKREWIND_TRY(flush_device(rollback));
  update_partitions(rollback, receipt);
  receipt.scanned_bytes = now.scanned_bytes;
  receipt.changed_bytes = now.changed_bytes;
  add(receipt, outcome);
  add(receipt, now.unreadable);
  bool missed = false;
  pipeline::DifferingChunks::Source written = look.differing();
  if (auto right = verify_written(rollback, written, receipt, &missed); !right) {
    // No damage of the target: the tracker is distrusted now, and a resume reads everything.
    Error error = std::move(right).error();
    if (missed) error.code = Errc::kIo;
    return fail(std::move(error));
  }
  receipt.elapsed_seconds = watch.seconds();
  receipt.restore_seconds = receipt.elapsed_seconds - receipt.scan_seconds;
  return receipt;
}

Error put_back(const Rollback& rollback, Error error, Hold hold) {
  mark_damaged(rollback.store, rollback.target.number);
  const Monitor deaf;  // no cancelling half-way back
  Rollback back{rollback.store,
                rollback.locked,
                rollback.device,
                deaf,
                rollback.means,
                rollback.geometry,
                rollback.request_id,
                *rollback.undo,
                rollback.undo,
                rollback.tracking,
                false,
                rollback.verify_after};
  auto done = drive_to_target(back, rollback.target, Streaming::kWriteWhatIsWhole, hold);
  Status finished;
  if (done) {
    finished = finish(back, rollback.locked.disk.last_rollback,
                      hold == Hold::kKept ? track::Collected::kKept : track::Collected::kDropped);
  } else {
    if (done.error().code == Errc::kIntegrity) mark_damaged(back.store, back.target.number);
    finished = fail(done.error());
  }
  if (finished) {
    error.message += "; the device has been put back as it was";
    if (!done->partition_command.empty()) {
      error.message += "; " + done->partition_reason + ": run " + done->partition_command;
    }
    if (done->kept_snapshot_id) {
      error.message +=
          ", and what was written to it meanwhile is kept as " + *done->kept_snapshot_id;
    }
    error.hint = "choose another snapshot; blkrewind verify tells what else is damaged";
  } else {
    error.message += "; putting the device back failed as well: " + finished.error().to_string();
    error.hint =
        finished.error().code == Errc::kIntegrity ? loss_hint(rollback) : resume_hint(rollback);
  }
  return error;
}

}  // namespace blkrewind
