// Which chunks of the device are not as in the wanted snapshot.
#include <utility>

#include "operations/rollback/sequence.h"
#include "pipeline/candidate_stream.h"
#include "pipeline/extent_merger.h"
#include "pipeline/tracked_source.h"
#include "store/tree_reader.h"

namespace blkrewind {
Status Sequence::find() {
  if (way_.undo == Way::Undo::kKeeps) {
    BLKREWIND_ASSIGN(writer_, back_.history.make_writer());
    beside_ = parent_of(*back_.locked.state, back_.locked.disk, geometry_);
    if (beside_ && beside_->number == back_.wanted.number) beside_.reset();
  } else if (way_.undo == Way::Undo::kExists && way_.looks != Way::Looks::kDifferences) {
    beside_ = back_.other;
  }
  Status found = look();
  if (found || found.error().code != Errc::kIntegrity) return found;
  if (beside_ || way_.looks == Way::Looks::kTracker) {
    // It may be the other tree that is damaged: then everything is read, and all that differs kept.
    share_nothing();
    found = look();
  }
  const bool damaged = !found && found.error().code == Errc::kIntegrity;
  if (damaged && way_.intent == Way::Intent::kNew) {
    mark_damaged(back_.history, back_.wanted.number);
  }
  return found;
}

void Sequence::share_nothing() {
  beside_.reset();
  way_.looks = Way::Looks::kAll;
  way_.reads = true;
}

pipeline::ScanRequest Sequence::comparison() const {
  pipeline::ScanRequest request;
  request.device = back_.device.file.get();
  request.geometry = geometry_;
  request.means = back_.means;
  request.references = {back_.wanted};
  return request;
}

Status Sequence::look() {
  std::unique_ptr<pipeline::CandidateSource> candidates;
  if (way_.looks == Way::Looks::kDifferences) {
    candidates = std::make_unique<pipeline::ChunkList::Source>(*limits_);
  } else if (way_.looks == Way::Looks::kTracker) {
    const auto& base = *back_.locked.state->snapshot(back_.locked.disk.base_snapshot);
    BLKREWIND_ASSIGN(candidates, pipeline::TrackedSource::make(
                                     back_.history, *back_.tracking.source(), base, back_.wanted));
  }
  chunks_.clear();
  foreign_.clear();
  if (way_.reads) {
    pipeline::ScanRequest request = comparison();
    if (beside_) request.references.push_back(*beside_);
    request.candidates = candidates.get();
    request.writer = writer_.get();
    // Such a sector differs, and writing it is what heals it.
    request.passes_over_unreadable = true;
    request.mark = back_.request_id;
    request.visit = [&](const pipeline::ScanResult& leaf) -> Status {
      chunks_.add(leaf.leaf, leaf.differing);
      if (foreign_.size() <= kForeignMax) {
        pipeline::for_each_chunk(leaf.leaf, leaf.foreign,
                                 [&](std::uint64_t chunk) { foreign_.push_back(chunk); });
      }
      return {};
    };
    BLKREWIND_ASSIGN(found_, pipeline::scan_device(back_.history, request, back_.monitor));
  } else {
    BLKREWIND_TRY(name_unread(*candidates));
  }
  receipt_.change_source = found_.change_source;
  receipt_.scanned_bytes = found_.scanned_bytes;
  receipt_.scan_seconds = found_.seconds;
  receipt_.changed_bytes = found_.changed_bytes;
  receipt_.unreadable_bytes = found_.unreadable.bytes();
  receipt_.unreadable = found_.unreadable.named();
  return {};
}

// As a scan would say it: nothing read, and all that may differ is changed.
Status Sequence::name_unread(pipeline::CandidateSource& candidates) {
  const pipeline::Stopwatch watch;
  while (true) {
    BLKREWIND_ASSIGN(const auto candidate, candidates.next());
    if (!candidate) break;
    chunks_.add(candidate->leaf, candidate->read | candidate->zero);
  }
  found_ = {};
  found_.changed_bytes = chunks_.bytes();
  found_.change_source = candidates.name();
  found_.seconds = watch.seconds();
  return {};
}

Status Sequence::plan() {
  BLKREWIND_ASSIGN(auto queue, back_.history.env().make_queue({.depth = 1}));
  store::TreeReader reader(back_.history.files(), *queue, back_.history.secret());
  pipeline::ChunkList::Source differing(chunks_);
  const auto chunks = pipeline::candidate_stream(differing, reader, store::tree_of(back_.wanted));
  pipeline::ExtentMerger extents;
  while (true) {
    BLKREWIND_ASSIGN(const auto chunk, chunks());
    if (!chunk) break;
    const Extent extent = geometry_.chunk_extent(chunk->chunk);
    (void)extents.add(extent);
    (chunk->source.is_zero() ? receipt_.zeroed_bytes : receipt_.restored_bytes) += extent.length;
  }
  receipt_.extents = extents.count();
  receipt_.dry_run = true;
  fill_receipt();
  return {};
}

}  // namespace blkrewind
