#include "pipeline/scan_worker.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "pipeline/unreadable_placeholder.h"

namespace blkrewind::pipeline {
namespace {

using format::Entry;
using format::EntryState;

// The least that is read by itself: a sector, or a page where the file is read through the cache.
std::uint64_t piece_bytes_of(const io::File& device) {
  constexpr std::uint32_t kSectorBytes = 512;
  constexpr std::uint32_t kPageBytes = 4096;
  const std::uint32_t alignment = device.alignment_bytes();
  return alignment == 1 ? kPageBytes : std::max(alignment, kSectorBytes);
}

bool zero_somewhere(const ScanTask& task, std::size_t in_leaf) {
  return std::ranges::any_of(task.references, [&](const format::Entries& reference) {
    return reference[in_leaf].is_zero();
  });
}

bool overlap(const Extent& one, const Extent& other) {
  return one.offset < other.end() && other.offset < one.end();
}

// user_data: the slot, and for a capture the number of its write, for a piece that of its read.
std::uint64_t transfer_tag(std::uint32_t slot, std::uint32_t write_plus_one) {
  return std::uint64_t{write_plus_one} << 32 | slot;
}

}  // namespace

ScanWorker::ScanWorker(std::unique_ptr<io::Queue> queue, const ScanSettings& settings)
    : queue_(std::move(queue)), settings_(settings), transfers_(queue_->slots().size()) {
  for (auto slot = static_cast<std::uint32_t>(transfers_.size()); slot-- > 0;) {
    free_slots_.push_back(slot);
  }
  BLKREWIND_CHECK(!free_slots_.empty());
  BLKREWIND_CHECK(queue_->slots().front().size_bytes >= settings_.geometry.chunk_bytes);
}

bool ScanWorker::wants_task() const {
  return !free_slots_.empty() && (jobs_.empty() || jobs_.back()->issued);
}

void ScanWorker::add(Task task) {
  auto job = std::make_unique<Job>();
  job->task = std::move(task);
  Result& result = job->result;
  result.sequence = job->task.sequence;
  result.leaf = job->task.candidate.leaf;
  result.reference = job->task.references.front();
  result.entries = result.reference;
  for (std::size_t i = 0; i < format::kFanout; ++i) {
    if (!job->task.candidate.zero.test(i)) continue;
    result.entries[i] = Entry{};
    if (!zero_somewhere(job->task, i)) note_foreign(*job, i);
  }
  jobs_.push_back(std::move(job));
  issue_reads();
}

void ScanWorker::issue_reads() {
  for (const auto& job : jobs_) {
    while (!job->issued && !free_slots_.empty()) {
      if (!issue_read(*job)) job->issued = true;
    }
    if (!job->issued) break;
  }
  retire_jobs();
}

bool ScanWorker::issue_read(Job& job) {
  const ChunkSet& wanted = job.task.candidate.read;
  std::uint64_t first = job.next_chunk;
  while (first < format::kFanout && !wanted.test(first)) ++first;
  if (first == format::kFanout) return false;
  const std::uint32_t slot = free_slots_.back();
  const io::Slot& memory = queue_->slots()[slot];
  const std::uint64_t limit = std::max<std::uint64_t>(
      1, std::min<std::uint64_t>(memory.size_bytes, settings_.device->max_request_bytes()) /
             settings_.geometry.chunk_bytes);
  std::uint64_t count = 1;
  while (count < limit && first + count < format::kFanout && wanted.test(first + count)) ++count;
  job.next_chunk = first + count;

  const std::uint64_t base = job.result.leaf * format::kFanout;
  Transfer& transfer = transfers_[slot];
  transfer = {};
  transfer.job = &job;
  transfer.first = first;
  transfer.count = count;
  transfer.extent.offset = settings_.geometry.chunk_extent(base + first).offset;
  transfer.extent.length =
      settings_.geometry.chunk_extent(base + first + count - 1).end() - transfer.extent.offset;
  free_slots_.pop_back();
  ++job.outstanding;
  batch_.push_back(
      {io::Op::kRead, settings_.device, transfer.extent, memory.data, transfer_tag(slot, 0)});
  return true;
}

Status ScanWorker::submit_batch() {
  // One slot may be captured in many writes, so a batch can be more than the queue takes at once.
  const std::size_t count = std::min(batch_.size(), queue_->depth() - queue_->in_flight());
  if (count == 0) return {};
  BLKREWIND_TRY(queue_->submit(std::span(batch_).first(count)));
  batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

Status ScanWorker::step() {
  BLKREWIND_TRY(submit_batch());
  completions_.clear();
  BLKREWIND_TRY(queue_->wait(1, completions_));
  for (const io::Completion& completion : completions_) BLKREWIND_TRY(handle(completion));
  issue_reads();
  // Keep the device busy while the caller looks at the results.
  return submit_batch();
}

Status ScanWorker::handle(const io::Completion& completion) {
  const auto slot = static_cast<std::uint32_t>(completion.user_data);
  const auto write = static_cast<std::uint32_t>(completion.user_data >> 32);
  Transfer& transfer = transfers_[slot];
  if (transfer.salvaging) return salvaged(slot, write - 1, completion);
  if (write == 0) {
    if (completion.missing_bytes != 0) {
      return fail(
          io::ended_error(*settings_.device, transfer.extent.end() - completion.missing_bytes));
    }
    if (io::means_bad_sector(completion.error)) {
      // What a loop device has lost below it is no sector to be healed.
      BLKREWIND_ASSIGN(const std::uint64_t end, settings_.device->end_bytes());
      if (end < transfer.extent.end()) {
        Error error = io::ended_error(*settings_.device, end);
        error.sys_errno = completion.error;
        return fail(std::move(error).at(transfer.extent));
      }
      transfer.salvaging = true;
      transfer.job->result.unreadable_errno = completion.error;
      salvage(
          slot, transfer.extent,
          transfer.count > 1 ? settings_.geometry.chunk_bytes : piece_bytes_of(*settings_.device));
      return {};
    }
    if (completion.error != 0) {
      return fail(
          io::request_error(io::Op::kRead, *settings_.device, transfer.extent, completion.error));
    }
    transfer.job->result.scanned_bytes += transfer.extent.length;
    return digest_chunks(slot);
  }
  if (completion.error != 0) {
    const Transfer::Write& failed = transfer.captured[write - 1];
    return fail(io::request_error(io::Op::kWrite, *failed.file, failed.extent, completion.error));
  }
  if (--transfer.writes == 0) release(slot);
  return {};
}

void ScanWorker::salvage(std::uint32_t slot, const Extent& extent, std::uint64_t piece_bytes) {
  Transfer& transfer = transfers_[slot];
  std::byte* const data = queue_->slots()[slot].data;
  for (std::uint64_t at = extent.offset; at < extent.end(); at += piece_bytes) {
    const Extent piece{at, std::min(piece_bytes, extent.end() - at)};
    transfer.pieces.push_back(piece);
    ++transfer.pieces_ahead;
    batch_.push_back({io::Op::kRead, settings_.device, piece, data + (at - transfer.extent.offset),
                      transfer_tag(slot, static_cast<std::uint32_t>(transfer.pieces.size()))});
  }
}

Status ScanWorker::salvaged(std::uint32_t slot, std::size_t number,
                            const io::Completion& completion) {
  Transfer& transfer = transfers_[slot];
  const Extent piece = transfer.pieces[number];
  const std::uint64_t least = piece_bytes_of(*settings_.device);
  if (completion.missing_bytes != 0) {
    return fail(io::ended_error(*settings_.device, piece.end() - completion.missing_bytes));
  }
  if (io::means_bad_sector(completion.error)) {
    if (piece.length > least) {
      salvage(slot, piece, least);
    } else {
      transfer.unreadable.push_back(piece);
    }
  } else if (completion.error != 0) {
    return fail(io::request_error(io::Op::kRead, *settings_.device, piece, completion.error));
  }
  if (--transfer.pieces_ahead != 0) return {};
  transfer.salvaging = false;
  std::ranges::sort(transfer.unreadable, {}, &Extent::offset);
  std::byte* const data = queue_->slots()[slot].data;
  for (const Extent& lost : transfer.unreadable) {
    put_unreadable_placeholder({data + (lost.offset - transfer.extent.offset), lost.length}, lost,
                               settings_.mark);
  }
  Result& result = transfer.job->result;
  result.unreadable.insert(result.unreadable.end(), transfer.unreadable.begin(),
                           transfer.unreadable.end());
  result.scanned_bytes += transfer.extent.length;
  return digest_chunks(slot);
}

Status ScanWorker::digest_chunks(std::uint32_t slot) {
  Transfer& transfer = transfers_[slot];
  Job& job = *transfer.job;
  const std::byte* data = queue_->slots()[slot].data;
  std::uint64_t run_first = 0;
  std::uint64_t run_count = 0;
  for (std::uint64_t i = 0; i < transfer.count; ++i) {
    const std::uint64_t in_leaf = transfer.first + i;
    const std::uint64_t chunk = job.result.leaf * format::kFanout + in_leaf;
    const Extent extent = settings_.geometry.chunk_extent(chunk);
    const std::span<const std::byte> bytes(data + (extent.offset - transfer.extent.offset),
                                           extent.length);
    Entry& entry = job.result.entries[in_leaf];
    const bool unreadable = std::ranges::any_of(
        transfer.unreadable, [&](const Extent& lost) { return overlap(lost, extent); });
    if (unreadable && !settings_.reserve) {
      // Whatever the reference says there, this differs from it.
      const Digest& other = job.result.reference[in_leaf].digest;
      entry = Entry{.state = EntryState::kAbsent, .digest = {~other.low, ~other.high}};
      continue;
    }
    if (is_all_zero(bytes)) {
      entry = Entry{};
      if (!zero_somewhere(job.task, in_leaf)) note_foreign(job, in_leaf);
      continue;
    }
    const Digest digest = digest_of(*settings_.secret, bytes, DigestDomain::kChunk, 0, chunk);
    const auto same =
        std::ranges::find_if(job.task.references, [&](const format::Entries& reference) {
          return reference[in_leaf].digest == digest &&
                 reference[in_leaf].state == EntryState::kStored;
        });
    if (same != job.task.references.end()) {
      entry = (*same)[in_leaf];
      continue;
    }
    entry = Entry{.state = EntryState::kAbsent, .digest = digest};
    note_foreign(job, in_leaf);
    if (!settings_.reserve) continue;
    if (run_count != 0 && run_first + run_count != i) {
      BLKREWIND_TRY(capture(slot, run_first, run_count));
      run_count = 0;
    }
    if (run_count == 0) run_first = i;
    ++run_count;
  }
  if (run_count != 0) BLKREWIND_TRY(capture(slot, run_first, run_count));
  if (transfer.writes == 0) release(slot);
  return {};
}

void ScanWorker::note_foreign(Job& job, std::uint64_t in_leaf) const {
  job.result.foreign.set(in_leaf);
  job.result.foreign_bytes +=
      settings_.geometry.chunk_extent(job.result.leaf * format::kFanout + in_leaf).length;
}

Status ScanWorker::capture(std::uint32_t slot, std::uint64_t first, std::uint64_t count) {
  Transfer& transfer = transfers_[slot];
  Job& job = *transfer.job;
  const std::uint64_t base = job.result.leaf * format::kFanout + transfer.first;
  const std::uint64_t begin =
      settings_.geometry.chunk_extent(base + first).offset - transfer.extent.offset;
  const std::uint64_t end =
      settings_.geometry.chunk_extent(base + first + count - 1).end() - transfer.extent.offset;
  // Only the last chunk of the device may be short; its block is filled up with zeroes.
  const std::uint64_t length = align_up(end - begin, format::kBlockBytes);
  std::byte* data = queue_->slots()[slot].data;
  std::memset(data + end, 0, begin + length - end);

  BLKREWIND_ASSIGN(const format::Placement placement, settings_.reserve(length));
  std::uint64_t offset = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Extent extent = settings_.geometry.chunk_extent(base + first + i);
    Entry& entry = job.result.entries[transfer.first + first + i];
    entry.state = EntryState::kStored;
    entry.segment = placement.segment;
    entry.block = placement.block + static_cast<std::uint32_t>(offset / format::kBlockBytes);
    entry.length_bytes = static_cast<std::uint32_t>(extent.length);
    job.result.stored_bytes += extent.length;
    offset += align_up(extent.length, format::kBlockBytes);
  }
  const Extent target{placement.block * format::kBlockBytes, length};
  transfer.captured.push_back({placement.file, target});
  ++transfer.writes;
  batch_.push_back({io::Op::kWrite, placement.file, target, data + begin,
                    transfer_tag(slot, static_cast<std::uint32_t>(transfer.captured.size()))});
  return {};
}

void ScanWorker::release(std::uint32_t slot) {
  --transfers_[slot].job->outstanding;
  transfers_[slot].job = nullptr;
  free_slots_.push_back(slot);
}

void ScanWorker::retire_jobs() {
  std::erase_if(jobs_, [&](const std::unique_ptr<Job>& job) {
    if (!job->issued || job->outstanding != 0) return false;
    // Its transfers ended in any order.
    Result& result = job->result;
    std::ranges::sort(result.unreadable, {}, &Extent::offset);
    for (std::size_t i = 0; i < format::kFanout; ++i) {
      result.differing[i] = result.entries[i].digest != result.reference[i].digest;
    }
    results_.push_back(std::move(job->result));
    return true;
  });
}

void ScanWorker::drain() {
  batch_.clear();
  while (queue_->in_flight() > 0) {
    completions_.clear();
    if (!queue_->wait(queue_->in_flight(), completions_)) break;
  }
}

std::vector<ScanResult> ScanWorker::take_results() { return std::exchange(results_, {}); }

}  // namespace blkrewind::pipeline
