#include "rollback_steps.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/ids.h"
#include "base/log.h"
#include "blkrewind/shell.h"
#include "candidate_stream.h"
#include "differing_chunks.h"
#include "io/evidence.h"
#include "plan_source.h"
#include "scan.h"
#include "store/tree_cursor.h"
#include "store/tree_reader.h"
#include "track/full_scan.h"
#include "tracked_chunks.h"
#include "verify_after.h"

namespace blkrewind {
namespace {

// Bad chunks are kept to be counted and named; so many, and something else is wrong.
constexpr std::size_t kLostMax = 1'000'000;

void note_content(io::DeviceIdentity& identity, const io::DeviceIdentity& content) {
  identity.table_uuid = content.table_uuid;
  identity.filesystem_uuid = content.filesystem_uuid;
  identity.filesystem_type = content.filesystem_type;
}

// All but the chunks.
RestoreRequest restore_request(const Rollback& rollback, std::uint64_t work_bytes, Streaming how) {
  RestoreRequest request;
  request.device = how == Streaming::kVerify ? nullptr : rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.phase = how == Streaming::kVerify ? "verify" : "restore";
  if (how == Streaming::kWriteWhatIsWhole) {
    request.bad_max = kLostMax;
    request.one_by_one = true;
  }
  if (rollback.compares && how == Streaming::kWrite) {
    // A file system moves whole blocks of its own.
    request.compare_block_bytes = rollback.device.info.kind == io::DeviceKind::kFile
                                      ? static_cast<std::uint32_t>(format::kBlockBytes)
                                      : rollback.device.info.logical_sector_bytes;
  }
  request.share = rollback.may_share();
  request.work_bytes = work_bytes;
  request.means = rollback.means;
  return request;
}

}  // namespace

std::string resume_hint(const Rollback& rollback) {
  const std::string path = shell_word(rollback.locked.disk.path);
  std::string hint = "the rollback is not finished; go on with it: blkrewind resume " + path;
  if (rollback.undo) hint += ", or take it back: blkrewind undo " + path;
  return hint;
}

Error to_be_resumed(const Rollback& rollback, Error error) {
  std::string hint = resume_hint(rollback);
  // What was refused, or has no room, has to be put right first.
  const bool first = error.sys_errno == 0 || error.code == Errc::kNoSpace;
  if (first && !error.hint.empty()) hint = error.hint + "; then: " + hint;
  return std::move(error).with_hint(std::move(hint));
}

std::string loss_hint(const Rollback& rollback) {
  const std::string path = shell_word(rollback.locked.disk.path);
  return "bring the store's files back from a copy and do it again; or export what can be read of "
         "the snapshots, and end the rollback as it stands: blkrewind disk forget " +
         path + " --with-snapshots";
}

Result<RestoreOutcome> stream(const Rollback& rollback, const store::Tree& now,
                              store::SegmentWriter* writer, std::uint64_t work_bytes,
                              Streaming how) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret(), writer);
  RestoreRequest request = restore_request(rollback, work_bytes, how);
  request.chunks = difference_stream(reader, now, store::tree_of(rollback.target));
  return restore_chunks(rollback.store, request, rollback.monitor);
}

Result<RestoreOutcome> stream(const Rollback& rollback, track::ChangeSource& candidates,
                              std::uint64_t work_bytes, Streaming how, bool verified) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret());
  RestoreRequest request = restore_request(rollback, work_bytes, how);
  request.chunks = candidate_stream(candidates, reader, store::tree_of(rollback.target));
  request.verified = verified;
  return restore_chunks(rollback.store, request, rollback.monitor);
}

Status flush_device(const Rollback& rollback) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 4}));
  BLKREWIND_TRY(io::flush_now(*queue, *rollback.device.file));
  return rollback.device.file->settle_caches(io::CacheUse::kAfterWriting);
}

void update_partitions(const Rollback& rollback, RollbackReceipt& receipt) {
  const io::PartitionUpdate update = rollback.device.file->update_partitions();
  switch (update.state) {
    case io::PartitionUpdate::State::kNone:
      break;
    case io::PartitionUpdate::State::kUnchanged:
      receipt.partition_table = "unchanged";
      break;
    case io::PartitionUpdate::State::kReread:
      receipt.partition_table = "reread";
      break;
    case io::PartitionUpdate::State::kStale:
      receipt.partition_table = "stale";
      receipt.partition_reason = update.reason;
      receipt.partition_command = update.command;
      break;
  }
}

// Remembers that a snapshot is damaged. The rollback's own error is what the user needs to see, so
// a journal that cannot take it is only logged.
void mark_damaged(store::Store& store, format::SnapshotNumber number) {
  auto marked = store.journal().update(
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

Error bad_target(const Rollback& rollback, const rollback::BadChunk& bad) {
  mark_damaged(rollback.store, rollback.target.number);
  Error error = bad_chunk_error(bad, rollback.geometry);
  error.message += "; nothing was written to the device";
  error.hint = "choose another snapshot; blkrewind verify tells what else is damaged";
  return error;
}

void fill(RollbackReceipt& receipt, const Rollback& rollback) {
  receipt.request_id = rollback.request_id;
  receipt.disk_id = rollback.locked.disk.id;
  receipt.snapshot_id = rollback.target.id;
  if (rollback.undo) receipt.undo_snapshot_id = rollback.undo->id;
  receipt.device_bytes = rollback.geometry.device_bytes;
  receipt.root_digest = to_hex(rollback.target.root_digest);
  receipt.marked_bytes = unreadable_bytes_of(rollback.target);
  receipt.recognised_by = rollback.device.recognised_by;
}

void add(RollbackReceipt& receipt, const UnreadableExtents& unreadable) {
  receipt.unreadable_bytes = unreadable.bytes();
  receipt.unreadable = unreadable.named();
}

void add(RollbackReceipt& receipt, const RestoreOutcome& outcome) {
  receipt.restored_bytes = outcome.restored_bytes;
  receipt.zeroed_bytes = outcome.zeroed_bytes;
  receipt.extents = outcome.extents;
}

Status finish(const Rollback& rollback, const format::LastRollback& last, track::Collected before) {
  rollback.tracking->prepare(rollback.target.id, before);
  // A device that nothing but its content tells in the next boot has another content now.
  std::optional<io::DeviceInfo> content;
  if (io::is_nameless(rollback.locked.disk.identity)) {
    auto seen = rollback.store.env().examine(rollback.device.info.real_path);
    if (seen) content = std::move(*seen);
  }
  BLKREWIND_TRY(rollback.store.journal().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        format::Transaction transaction;
        if (state.intents.contains(rollback.locked.disk.number)) {
          transaction.emplace_back(format::IntentRemoved{rollback.locked.disk.number});
        }
        format::DiskRecord disk = *state.disk(rollback.locked.disk.number);
        disk.anchor = rollback.target.number;
        disk.last_rollback = last;
        if (content) note_content(disk.identity, content->identity);
        if (disk != *state.disk(disk.number)) transaction.emplace_back(std::move(disk));
        return transaction;
      },
      store::Room::kFrees));
  rollback.tracking->commit();
  return {};
}

bool may_trust(const Rollback& rollback) {
  if (rollback.tracking->source() == nullptr) return false;
  const auto* anchor = rollback.locked.state->snapshot(rollback.locked.disk.anchor);
  return anchor != nullptr && store::tree_of(*anchor).geometry == rollback.geometry;
}

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

  [[nodiscard]] const ScanOutcome& now() const { return now_; }
  [[nodiscard]] const char* source_name() const { return source_name_; }
  [[nodiscard]] DifferingChunks::Source differing() const {
    return DifferingChunks::Source(differing_);
  }
  [[nodiscard]] const std::optional<format::SnapshotRecord>& kept() const { return kept_; }

 private:
  enum class Compare : std::uint8_t { kTarget, kBoth };

  // `keeps`: where what equals none of the trees is kept; may be null.
  Status scan(Compare with, store::SegmentWriter* keeps) {
    ScanRequest request;
    request.device = rollback_.device.file.get();
    request.geometry = rollback_.geometry;
    request.references = {store::tree_of(rollback_.target)};
    if (with == Compare::kBoth) request.references.push_back(store::tree_of(*other_));
    request.writer = keeps;
    request.capture = keeps != nullptr;
    request.passes_over_unreadable = true;
    request.mark = rollback_.request_id;
    request.means = rollback_.means;
    track::FullScan everything(*rollback_.device.file, rollback_.geometry);
    request.source = &everything;
    request.work_bytes = rollback_.geometry.device_bytes;
    std::optional<PlanSource> planned;
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
    request.visit = [&](const track::ScanResult& leaf) -> Status {
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
    BLKREWIND_ASSIGN(now_, scan_device(rollback_.store, request, rollback_.monitor));
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
  DifferingChunks differing_;
  const char* source_name_ = "";
  ScanOutcome now_;
  std::vector<Foreign> foreign_;
  std::optional<format::SnapshotRecord> kept_;
};

// The error of chunks that cannot be had; the others have been written.
Error unfinished_chunks(const Rollback& rollback, const RestoreOutcome& outcome) {
  if (outcome.bad.empty()) {
    Error error =
        unreadable_chunk_error(rollback.store, outcome.unreadable.front(), rollback.geometry);
    error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                     std::to_string(outcome.unreadable.size()) +
                     " could not be read now, and all the others have been restored";
    return error;
  }
  Error error = bad_chunk_error(outcome.bad.front(), rollback.geometry);
  error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                   std::to_string(outcome.failed()) +
                   " are lost so, and all the others have been restored";
  return error;
}

}  // namespace

Result<RollbackReceipt> drive_to_target(const Rollback& rollback,
                                        const std::optional<format::SnapshotRecord>& other,
                                        Streaming how, Hold hold) {
  const Stopwatch watch;
  RollbackReceipt receipt;
  fill(receipt, rollback);
  Look look(rollback, other, hold);
  BLKREWIND_TRY(look.run());
  const ScanOutcome& now = look.now();
  receipt.change_source = look.source_name();
  receipt.scan_seconds = watch.seconds();
  if (look.kept()) {
    receipt.kept_snapshot_id = look.kept()->id;
    receipt.kept_bytes = now.foreign_bytes;
  }
  BLKREWIND_TRY(recheck_device(rollback.store.env(), rollback.store.layout().root(),
                               rollback.locked.disk, rollback.device));
  const auto write = [&](Streaming streaming) {
    DifferingChunks::Source differing = look.differing();
    return stream(rollback, differing, now.changed_bytes, streaming);
  };
  BLKREWIND_ASSIGN(RestoreOutcome outcome, write(Streaming::kWrite));
  if (outcome.failed() != 0 && how == Streaming::kWriteWhatIsWhole) {
    BLKREWIND_ASSIGN(outcome, write(how));
    if (outcome.failed() != 0) {
      BLKREWIND_TRY(flush_device(rollback));
      return fail(unfinished_chunks(rollback, outcome));
    }
  }
  if (!outcome.bad.empty()) return fail(bad_chunk_error(outcome.bad.front(), rollback.geometry));
  BLKREWIND_TRY(all_readable(rollback.store, outcome, rollback.geometry));
  rollback.tracking->wrote(outcome.restored_bytes + outcome.zeroed_bytes);
  BLKREWIND_TRY(flush_device(rollback));
  update_partitions(rollback, receipt);
  receipt.scanned_bytes = now.scanned_bytes;
  receipt.changed_bytes = now.changed_bytes;
  add(receipt, outcome);
  add(receipt, now.unreadable);
  bool missed = false;
  DifferingChunks::Source written = look.differing();
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
    finished = fail(std::move(done).error());
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

Status check_size(const OpenedDevice& device, const format::SnapshotRecord& target) {
  if (device.info.size_bytes == target.device_bytes) return {};
  return fail(Errc::kPrecondition,
              device.info.path + " has " + std::to_string(device.info.size_bytes) +
                  " bytes, but had " + std::to_string(target.device_bytes) +
                  " when the snapshot was taken",
              "give it its former size, or export the snapshot to an image");
}

}  // namespace blkrewind
