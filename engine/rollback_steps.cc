#include "rollback_steps.h"

#include <utility>

#include "base/log.h"
#include "blkrewind/shell.h"
#include "io/evidence.h"
#include "plan_source.h"
#include "scan.h"
#include "store/tree_reader.h"
#include "track/full_scan.h"

namespace blkrewind {
namespace {

// Bad chunks are kept to be counted and named; so many, and something else is wrong.
constexpr std::size_t kLostMax = 1'000'000;

void note_content(io::DeviceIdentity& identity, const io::DeviceIdentity& content) {
  identity.table_uuid = content.table_uuid;
  identity.filesystem_uuid = content.filesystem_uuid;
  identity.filesystem_type = content.filesystem_type;
}

}  // namespace

std::string resume_hint(const Rollback& rollback) {
  const std::string path = shell_word(rollback.locked.disk.path);
  std::string hint = "the rollback is not finished; go on with it: blkrewind resume " + path;
  if (rollback.undo) hint += ", or take it back: blkrewind undo " + path;
  return hint;
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
  RestoreRequest request;
  request.device = how == Streaming::kVerify ? nullptr : rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.chunks = difference_stream(reader, now, store::tree_of(rollback.target));
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
  return restore_chunks(rollback.store, request, rollback.monitor);
}

Status flush_device(const Rollback& rollback) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 4}));
  return io::flush_now(*queue, *rollback.device.file);
}

// Remembers that a snapshot is damaged. The rollback's own error is what the user needs to see, so
// a journal that cannot take it is only logged.
void mark_damaged(store::Store& store, format::SnapshotNumber number) {
  auto marked =
      store.journal().update([&](const store::State& state) -> Result<format::Transaction> {
        const auto* found = state.snapshot(number);
        if (found == nullptr || found->damaged) return format::Transaction{};
        format::SnapshotRecord record = *found;
        record.damaged = true;
        return format::Transaction{record};
      });
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
  receipt.recognised_by = rollback.device.recognised_by;
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
      }));
  rollback.tracking->commit();
  return {};
}

Result<RollbackReceipt> drive_to_target(const Rollback& rollback,
                                        const std::optional<format::SnapshotRecord>& other,
                                        Streaming how) {
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
  scan.means = rollback.means;
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
  receipt.scan_seconds = watch.seconds();
  const store::Tree tree{rollback.geometry, now.root};
  BLKREWIND_ASSIGN(RestoreOutcome outcome,
                   stream(rollback, tree, writer.get(), now.changed_bytes, Streaming::kWrite));
  if (!outcome.bad.empty() && how == Streaming::kWriteWhatIsWhole) {
    BLKREWIND_ASSIGN(outcome, stream(rollback, tree, writer.get(), now.changed_bytes, how));
  }
  if (!outcome.bad.empty()) {
    Error error = bad_chunk_error(outcome.bad.front(), rollback.geometry);
    if (how == Streaming::kWriteWhatIsWhole) {
      BLKREWIND_TRY(flush_device(rollback));
      error.message += "; of the " + std::to_string(outcome.chunks) + " chunks that differed, " +
                       std::to_string(outcome.bad.size()) +
                       " are lost so, and all the others have been restored";
    }
    return fail(std::move(error));
  }
  rollback.tracking->wrote(outcome.restored_bytes + outcome.zeroed_bytes);
  BLKREWIND_TRY(flush_device(rollback));
  receipt.scanned_bytes = now.scanned_bytes;
  receipt.changed_bytes = now.changed_bytes;
  add(receipt, outcome);
  receipt.elapsed_seconds = watch.seconds();
  receipt.restore_seconds = receipt.elapsed_seconds - receipt.scan_seconds;
  return receipt;
}

Error put_back(const Rollback& rollback, Error error) {
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
                false};
  auto done = drive_to_target(back, rollback.target, Streaming::kWriteWhatIsWhole);
  Status finished;
  if (done) {
    finished = finish(back, rollback.locked.disk.last_rollback, track::Collected::kKept);
  } else {
    if (done.error().code == Errc::kIntegrity) mark_damaged(back.store, back.target.number);
    finished = fail(std::move(done).error());
  }
  if (finished) {
    error.message += "; the device has been put back as it was";
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
