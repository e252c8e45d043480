// What is about to be overwritten, as an undo snapshot; and the record that begins a rollback.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/ids.h"
#include "operations/rollback/sequence.h"
#include "operations/rollback/words.h"
#include "pipeline/candidate_stream.h"
#include "store/tree_cursor.h"
#include "store/tree_reader.h"

namespace blkrewind {

Status Sequence::keep() {
  if (way_.undo == Way::Undo::kKeeps) return keep_undo();
  // What neither end holds was written since the interruption, and would be lost.
  const bool may_be_foreign = back_.other && way_.looks != Way::Looks::kDifferences;
  return may_be_foreign && found_.foreign_bytes != 0 ? keep_foreign() : Status();
}

Status Sequence::keep_undo() {
  BLKREWIND_ASSIGN(auto queue, back_.history.env().make_queue({.depth = 1}));
  if (beside_ && found_.changed_bytes != 0) {
    BLKREWIND_TRY(writer_->write_nodes(*queue));
    BLKREWIND_ASSIGN(const pipeline::RestoreOutcome shared, verify_shared(*queue));
    if (shared.failed() != 0) {
      // The device still has what the store has lost, or cannot read now: keep that, and share
      // nothing.
      if (!shared.bad.empty()) mark_damaged(back_.history, beside_->number);
      share_nothing();
      BLKREWIND_ASSIGN(writer_, back_.history.make_writer());
      BLKREWIND_TRY(look());
    }
  }
  if (found_.changed_bytes == 0) return {};
  BLKREWIND_TRY(writer_->seal(*queue));
  undo_ = record_of_found("before the rollback to " + back_.wanted.id);
  receipt_.undo_stored_bytes = found_.stored_bytes;
  return {};
}

// Reads and verifies what is about to be overwritten and is held by an older snapshot already: as a
// part of the undo snapshot it must be right before the device is not any more.
Result<pipeline::RestoreOutcome> Sequence::verify_shared(io::Queue& queue) {
  store::TreeReader reader(back_.history.files(), queue, back_.history.secret(), writer_.get());
  pipeline::ChunkList::Source differing(chunks_);
  const auto now = pipeline::candidate_stream(differing, reader, {geometry_, found_.root});
  pipeline::RestoreRequest request;
  request.geometry = geometry_;
  request.chunks = [&]() -> Result<std::optional<pipeline::ChunkTarget>> {
    while (true) {
      BLKREWIND_ASSIGN(const auto chunk, now());
      if (!chunk || (chunk->source.state == format::EntryState::kStored &&
                     writer_->find(chunk->source.segment) == nullptr)) {
        return chunk;
      }
    }
  };
  request.phase = "verify";
  request.work_bytes = found_.changed_bytes - found_.stored_bytes;
  request.means = back_.means;
  return pipeline::restore_chunks(back_.history, request, back_.monitor);
}

Status Sequence::keep_foreign() {
  BLKREWIND_ASSIGN(auto queue, back_.history.env().make_queue({.depth = 1}));
  BLKREWIND_ASSIGN(const bool ours, all_half_written(*queue));
  if (ours) return {};
  // Only what has to be kept needs room in the store.
  BLKREWIND_ASSIGN(writer_, back_.history.make_writer());
  std::optional<format::SnapshotRecord> kept;
  const auto keep_it = [&]() -> Status {
    BLKREWIND_TRY(look());
    if (found_.foreign_bytes == 0) return {};
    BLKREWIND_TRY(writer_->seal(*queue));
    kept = record_of_found("found when the interrupted rollback was ended at " + back_.wanted.id);
    return record(kept, false);
  };
  if (Status done = keep_it(); !done) {
    return fail(done.error().code == Errc::kNoSpace ? no_room_to_keep(std::move(done).error())
                                                    : std::move(done).error());
  }
  if (kept) {
    receipt_.kept_snapshot_id = kept->id;
    receipt_.kept_bytes = found_.foreign_bytes;
  }
  return {};
}

// Whether each chunk that neither end holds is what the interrupted rollback itself left half
// written: every sector is that of one end or of the other. What cannot be read is not.
Result<bool> Sequence::all_half_written(io::Queue& queue) {
  constexpr std::size_t kSectorBytes = 512;
  if (!beside_ || foreign_.size() > kForeignMax || !found_.unreadable.empty()) return false;
  store::TreeReader reader(back_.history.files(), queue, back_.history.secret());
  const std::size_t room = align_up(geometry_.chunk_bytes, format::kBlockBytes);
  AlignedBuffer now(room);
  // Of a chunk at one of the ends.
  struct End {
    store::TreeCursor tree;
    AlignedBuffer bytes;
  };
  std::array<End, 2> ends = {
      End{store::TreeCursor(reader, store::tree_of(back_.wanted)), AlignedBuffer(room)},
      End{store::TreeCursor(reader, store::tree_of(*beside_)), AlignedBuffer(room)}};
  for (const std::uint64_t chunk : foreign_) {
    const Extent extent = geometry_.chunk_extent(chunk);
    if (!io::read_now(queue, *back_.device.file, extent, now.data())) return false;
    for (End& end : ends) {
      BLKREWIND_ASSIGN(const format::Entry entry, end.tree.entry(0, chunk));
      std::memset(end.bytes.data(), 0, room);
      if (entry.is_zero()) continue;
      const std::uint64_t length = align_up(entry.length_bytes, format::kBlockBytes);
      if (entry.state != format::EntryState::kStored || length > room) return false;
      const auto file = back_.history.files().get(entry.segment, queue);
      if (!file || !io::read_now(queue, **file, {entry.offset_bytes(), length}, end.bytes.data())) {
        return false;
      }
    }
    for (std::size_t at = 0; at < extent.length; at += kSectorBytes) {
      const std::size_t length = std::min<std::size_t>(kSectorBytes, extent.length - at);
      const bool of_an_end = std::ranges::any_of(ends, [&](const End& end) {
        return std::memcmp(now.data() + at, end.bytes.data() + at, length) == 0;
      });
      if (!of_an_end) return false;
    }
  }
  return true;
}

format::SnapshotRecord Sequence::record_of_found(std::string description) const {
  format::SnapshotRecord record;
  record.disk = back_.locked.disk.number;
  record.id = new_id("s-", record.disk);
  record.description = std::move(description);
  record.kind = SnapshotKind::kUndo;
  record.state = format::SnapshotState::kAccomplished;
  record.created_at = now_seconds();
  record.device_bytes = geometry_.device_bytes;
  record.chunk_bytes = geometry_.chunk_bytes;
  record.root = found_.root;
  record.root_digest = format::root_digest(back_.history.secret(), geometry_, found_.root.digest);
  record.stored_bytes = found_.stored_bytes;
  record.zero_bytes = found_.zero_bytes;
  if (!found_.unreadable.empty()) {
    record.failure = found_.unreadable.note();
    record.description += "; " + record.failure;
  }
  record.kin.push_back(back_.wanted.number);
  if (beside_) record.kin.push_back(beside_->number);
  return record;
}

Status Sequence::record(std::optional<format::SnapshotRecord>& snapshot, bool begins) {
  Status recorded = back_.history.log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        format::Transaction transaction;
        format::Counters counters = state.counters;
        if (snapshot) {
          snapshot->number = counters.next_snapshot++;
          transaction.emplace_back(*snapshot);
        }
        if (writer_) {
          counters.next_segment = std::max(counters.next_segment, writer_->next_segment());
          for (const auto& segment : writer_->records()) transaction.emplace_back(segment);
        }
        if (counters != state.counters) transaction.emplace_back(counters);
        if (begins) {
          format::IntentRecord intent;
          intent.disk = back_.locked.disk.number;
          intent.request_id = back_.request_id;
          intent.target = back_.wanted.number;
          intent.undo = snapshot ? snapshot->number : 0;
          intent.started_at = now_seconds();
          transaction.emplace_back(std::move(intent));
          if (auto reset = reset_after(state, false)) transaction.emplace_back(std::move(*reset));
        }
        return transaction;
      },
      snapshot ? store::Room::kAdds : store::Room::kBegins);
  // Where the record may be there, its segments have to stay.
  if (writer_ && (recorded || back_.history.log().in_doubt())) writer_->keep();
  return recorded;
}

// The undo snapshot and the intent become true together.
Status Sequence::declare() {
  // Where it stands already, no record tells that another process has taken the disk over since.
  if (begun_) return back_.history.log().make_last_record_durable();
  if (found_.changed_bytes == 0) return {};
  BLKREWIND_TRY(record(undo_, true));
  begun_ = true;
  return {};
}

}  // namespace blkrewind
