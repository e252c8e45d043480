#include "operations/rollback_steps.h"

#include <utility>

#include "base/log.h"
#include "blkrewind/shell.h"
#include "host/evidence.h"
#include "pipeline/candidate_stream.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

// Bad chunks are kept to be counted and named; so many, and something else is wrong.
constexpr std::size_t kLostMax = 1'000'000;

void note_content(host::DeviceIdentity& identity, const host::DeviceIdentity& content) {
  identity.table_uuid = content.table_uuid;
  identity.filesystem_uuid = content.filesystem_uuid;
  identity.filesystem_type = content.filesystem_type;
}

// All but the chunks.
pipeline::RestoreRequest restore_request(const Rollback& rollback, std::uint64_t work_bytes,
                                         Streaming how) {
  pipeline::RestoreRequest request;
  request.device = how == Streaming::kVerify ? nullptr : rollback.device.file.get();
  request.geometry = rollback.geometry;
  request.phase = how == Streaming::kVerify ? "verify" : "restore";
  if (how == Streaming::kWriteWhatIsWhole) {
    request.bad_max = kLostMax;
    request.one_by_one = true;
  }
  if (rollback.compares && how == Streaming::kWrite) {
    // A file system moves whole blocks of its own.
    request.compare_block_bytes = rollback.device.info.kind == host::DeviceKind::kFile
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

Result<pipeline::RestoreOutcome> stream(const Rollback& rollback, const store::Tree& now,
                                        store::SegmentWriter* writer, std::uint64_t work_bytes,
                                        Streaming how) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret(), writer);
  pipeline::RestoreRequest request = restore_request(rollback, work_bytes, how);
  request.chunks = pipeline::difference_stream(reader, now, store::tree_of(rollback.target));
  return pipeline::restore_chunks(rollback.store, request, rollback.monitor);
}

Result<pipeline::RestoreOutcome> stream(const Rollback& rollback,
                                        pipeline::ChangeSource& candidates,
                                        std::uint64_t work_bytes, Streaming how, bool verified) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 8}));
  store::TreeReader reader(rollback.store.files(), *queue, rollback.store.secret());
  pipeline::RestoreRequest request = restore_request(rollback, work_bytes, how);
  request.chunks = pipeline::candidate_stream(candidates, reader, store::tree_of(rollback.target));
  request.verified = verified;
  return pipeline::restore_chunks(rollback.store, request, rollback.monitor);
}

Status flush_device(const Rollback& rollback) {
  BLKREWIND_ASSIGN(auto queue, rollback.store.env().make_queue({.depth = 4}));
  BLKREWIND_TRY(io::flush_now(*queue, *rollback.device.file));
  return rollback.device.file->settle_caches(host::CacheUse::kAfterWriting);
}

void update_partitions(const Rollback& rollback, RollbackReceipt& receipt) {
  const host::PartitionUpdate update = rollback.device.file->update_partitions();
  switch (update.state) {
    case host::PartitionUpdate::State::kNone:
      break;
    case host::PartitionUpdate::State::kUnchanged:
      receipt.partition_table = "unchanged";
      break;
    case host::PartitionUpdate::State::kReread:
      receipt.partition_table = "reread";
      break;
    case host::PartitionUpdate::State::kStale:
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

Error bad_target(const Rollback& rollback, const pipeline::BadChunk& bad) {
  mark_damaged(rollback.store, rollback.target.number);
  Error error = pipeline::bad_chunk_error(bad, rollback.geometry);
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
  receipt.marked_bytes = pipeline::unreadable_bytes_of(rollback.target);
  receipt.recognised_by = rollback.device.recognised_by;
}

void add(RollbackReceipt& receipt, const pipeline::UnreadableExtents& unreadable) {
  receipt.unreadable_bytes = unreadable.bytes();
  receipt.unreadable = unreadable.named();
}

void add(RollbackReceipt& receipt, const pipeline::RestoreOutcome& outcome) {
  receipt.restored_bytes = outcome.restored_bytes;
  receipt.zeroed_bytes = outcome.zeroed_bytes;
  receipt.extents = outcome.extents;
}

Status finish(const Rollback& rollback, const format::LastRollback& last, track::Collected before) {
  rollback.tracking->prepare(rollback.target.id, before);
  // A device that nothing but its content tells in the next boot has another content now.
  std::optional<host::DeviceInfo> content;
  if (host::is_nameless(rollback.locked.disk.identity)) {
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

Status check_size(const OpenedDevice& device, const format::SnapshotRecord& target) {
  if (device.info.size_bytes == target.device_bytes) return {};
  return fail(Errc::kPrecondition,
              device.info.path + " has " + std::to_string(device.info.size_bytes) +
                  " bytes, but had " + std::to_string(target.device_bytes) +
                  " when the snapshot was taken",
              "give it its former size, or export the snapshot to an image");
}

}  // namespace blkrewind
