#include "pipeline/restore_worker.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"

namespace blkrewind::pipeline {
namespace {

std::uint64_t tag_of(std::uint32_t slot, std::size_t part) {
  return std::uint64_t{part} << 32 | slot;
}

}  // namespace

RestoreWorker::RestoreWorker(std::unique_ptr<io::Queue> queue, const RestoreSettings& settings)
    : queue_(std::move(queue)),
      settings_(settings),
      transfers_(queue_->slots().size()),
      shares_(settings.share && settings.device != nullptr) {
  for (auto slot = static_cast<std::uint32_t>(transfers_.size()); slot-- > 0;) {
    free_slots_.push_back(slot);
  }
  BLKREWIND_CHECK(!free_slots_.empty());
}

void RestoreWorker::add(Task task) {
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  SlotWork& transfer = transfers_[slot];
  transfer = {};
  transfer.result.sequence = task.sequence;
  transfer.result.device = task.item.device;
  transfer.result.zero = task.item.zero;
  transfer.result.chunks = task.item.chunks.size();
  transfer.task = std::move(task);
  const PlanItem& item = transfer.task.item;
  if (item.zero) {
    if (settings_.device == nullptr) {
      transfer.result.written_bytes = item.device.length;
      finish(slot);
      return;
    }
    transfer.phase = Phase::kWrite;
    transfer.outstanding = 1;
    transfer.writes = {item.device};
    transfer.result.written_bytes = item.device.length;
    batch_.push_back(
        {io::Op::kWriteZeroes, settings_.device, item.device, nullptr, tag_of(slot, 0)});
    return;
  }
  BLKREWIND_CHECK(align_up(item.device.length, format::kBlockBytes) <=
                  queue_->slots()[slot].size_bytes);
  plan_reads(transfer);
  if (transfer.reads.empty()) {
    finish(slot);
    return;
  }
  if (settings_.verified && transfer.result.bad.empty() && share(transfer)) {
    finish(slot);
    return;
  }
  issue_reads(slot);
}

void RestoreWorker::issue_reads(std::uint32_t slot) {
  SlotWork& transfer = transfers_[slot];
  const io::Slot& memory = queue_->slots()[slot];
  transfer.outstanding = static_cast<std::uint32_t>(transfer.reads.size());
  for (std::size_t i = 0; i < transfer.reads.size(); ++i) {
    const Read& read = transfer.reads[i];
    batch_.push_back(
        {io::Op::kRead, read.file, read.extent, memory.data + read.buffer_offset, tag_of(slot, i)});
  }
}

void RestoreWorker::plan_reads(SlotWork& transfer) const {
  const PlanItem& item = transfer.task.item;
  for (std::size_t i = 0; i < item.chunks.size(); ++i) {
    const PlannedChunk& chunk = item.chunks[i];
    if (chunk.source.length_bytes != settings_.geometry.chunk_extent(chunk.chunk).length) {
      // Never read: it might be longer than the room for it.
      transfer.result.bad.push_back({chunk.chunk, chunk.source, 0});
      continue;
    }
    io::File* file = transfer.task.files[i].get();
    const Extent stored{chunk.source.offset_bytes(),
                        align_up(chunk.source.length_bytes, format::kBlockBytes)};
    if (!transfer.reads.empty()) {
      Read& last = transfer.reads.back();
      if (last.first + last.count == i && last.file == file && last.extent.end() == stored.offset) {
        last.extent.length += stored.length;
        ++last.count;
        continue;
      }
    }
    const std::uint64_t at =
        settings_.geometry.chunk_extent(chunk.chunk).offset - item.device.offset;
    transfer.reads.push_back({i, 1, file, stored, at});
  }
}

Status RestoreWorker::submit_batch() {
  const std::size_t count = std::min(batch_.size(), queue_->depth() - queue_->in_flight());
  if (count == 0) return {};
  BLKREWIND_TRY(queue_->submit(std::span(batch_).first(count)));
  batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

Status RestoreWorker::step() {
  BLKREWIND_TRY(submit_batch());
  completions_.clear();
  BLKREWIND_TRY(queue_->wait(1, completions_));
  for (const io::Completion& completion : completions_) BLKREWIND_TRY(handle(completion));
  return submit_batch();
}

Status RestoreWorker::handle(const io::Completion& completion) {
  const auto slot = static_cast<std::uint32_t>(completion.user_data);
  const auto part = static_cast<std::size_t>(completion.user_data >> 32);
  SlotWork& transfer = transfers_[slot];
  const Extent whole = transfer.task.item.device;
  switch (transfer.phase) {
    case Phase::kReadStore:
      read_done(slot, part, completion);
      if (--transfer.outstanding != 0) return {};
      if (settings_.device == nullptr || !transfer.result.bad.empty()) {
        transfer.result.written_bytes = whole.length;
        finish(slot);
        return {};
      }
      if (share(transfer)) {
        finish(slot);
      } else if (wants_to_compare(transfer, slot)) {
        transfer.phase = Phase::kReadDevice;
        transfer.outstanding = 1;
        batch_.push_back(
            {io::Op::kRead, settings_.device, whole, current_bytes(slot), tag_of(slot, 0)});
      } else {
        transfer.writes = {whole};
        issue_writes(slot);
      }
      return {};
    case Phase::kReadDevice:
      if (completion.missing_bytes != 0) {
        return fail(io::ended_error(*settings_.device, whole.end() - completion.missing_bytes));
      }
      if (io::means_bad_sector(completion.error)) {
        // Writing is what heals a sector that cannot be read.
        transfer.writes = {whole};
      } else if (completion.error != 0) {
        return fail(io::request_error(io::Op::kRead, *settings_.device, whole, completion.error));
      } else {
        plan_differing_writes(slot);
      }
      issue_writes(slot);
      return {};
    case Phase::kWrite:
      if (completion.error != 0) {
        return fail(
            io::request_error(transfer.task.item.zero ? io::Op::kWriteZeroes : io::Op::kWrite,
                              *settings_.device, transfer.writes[part], completion.error));
      }
      if (--transfer.outstanding == 0) finish(slot);
      return {};
  }
  return {};
}

bool RestoreWorker::share(SlotWork& transfer) {
  const Extent& whole = transfer.task.item.device;
  if (!shares_ || !is_aligned(whole.length, format::kBlockBytes)) return false;
  for (const Read& read : transfer.reads) {
    shares_ = settings_.device->share(*read.file, read.extent, whole.offset + read.buffer_offset);
    if (!shares_) return false;
  }
  transfer.result.written_bytes = whole.length;
  return true;
}

// The second half of the slot, when the first is enough for what shall stand there.
std::byte* RestoreWorker::current_bytes(std::uint32_t slot) {
  const io::Slot& memory = queue_->slots()[slot];
  return memory.data + memory.size_bytes / 2;
}

bool RestoreWorker::wants_to_compare(const SlotWork& transfer, std::uint32_t slot) const {
  constexpr std::uint64_t kEnoughBytes = 2 * kMiB;
  if (settings_.compare_block_bytes == 0) return false;
  if (compared_bytes_ >= kEnoughBytes && differing_bytes_ > compared_bytes_ / 2) return false;
  return align_up(transfer.task.item.device.length, format::kBlockBytes) <=
         queue_->slots()[slot].size_bytes / 2;
}

void RestoreWorker::plan_differing_writes(std::uint32_t slot) {
  SlotWork& transfer = transfers_[slot];
  const Extent whole = transfer.task.item.device;
  const std::byte* wanted = queue_->slots()[slot].data;
  const std::byte* current = current_bytes(slot);
  for (std::uint64_t at = 0; at < whole.length; at += settings_.compare_block_bytes) {
    const std::uint64_t length =
        std::min<std::uint64_t>(settings_.compare_block_bytes, whole.length - at);
    if (std::memcmp(wanted + at, current + at, length) == 0) continue;
    differing_bytes_ += length;
    if (!transfer.writes.empty() && transfer.writes.back().end() == whole.offset + at) {
      transfer.writes.back().length += length;
    } else {
      transfer.writes.push_back({whole.offset + at, length});
    }
  }
  compared_bytes_ += whole.length;
}

void RestoreWorker::issue_writes(std::uint32_t slot) {
  SlotWork& transfer = transfers_[slot];
  transfer.phase = Phase::kWrite;
  transfer.outstanding = static_cast<std::uint32_t>(transfer.writes.size());
  if (transfer.writes.empty()) {
    finish(slot);
    return;
  }
  std::byte* data = queue_->slots()[slot].data;
  const std::uint64_t begin = transfer.task.item.device.offset;
  for (std::size_t i = 0; i < transfer.writes.size(); ++i) {
    const Extent& write = transfer.writes[i];
    transfer.result.written_bytes += write.length;
    batch_.push_back(
        {io::Op::kWrite, settings_.device, write, data + (write.offset - begin), tag_of(slot, i)});
  }
}

void RestoreWorker::read_done(std::uint32_t slot, std::size_t part,
                              const io::Completion& completion) {
  SlotWork& transfer = transfers_[slot];
  const Read& read = transfer.reads[part];
  const std::byte* const begin = queue_->slots()[slot].data + read.buffer_offset;
  const std::byte* data = begin;
  const std::uint64_t there = read.extent.length - completion.missing_bytes;
  for (std::size_t i = read.first; i < read.first + read.count; ++i) {
    const PlannedChunk& planned = transfer.task.item.chunks[i];
    const std::span<const std::byte> bytes(data, planned.source.length_bytes);
    data += align_up(planned.source.length_bytes, format::kBlockBytes);
    if (completion.error != 0) {
      transfer.result.bad.push_back({planned.chunk, planned.source, completion.error});
      continue;
    }
    const bool missing = static_cast<std::uint64_t>(data - begin) > there;
    const bool right =
        !missing &&
        planned.source.length_bytes == settings_.geometry.chunk_extent(planned.chunk).length &&
        digest_of(*settings_.secret, bytes, DigestDomain::kChunk, 0, planned.chunk) ==
            planned.source.digest;
    if (!right) transfer.result.bad.push_back({planned.chunk, planned.source, 0, missing});
  }
}

void RestoreWorker::finish(std::uint32_t slot) {
  SlotWork& transfer = transfers_[slot];
  results_.push_back(std::move(transfer.result));
  transfer = {};
  free_slots_.push_back(slot);
}

void RestoreWorker::drain() {
  batch_.clear();
  while (queue_->in_flight() > 0) {
    completions_.clear();
    if (!queue_->wait(queue_->in_flight(), completions_)) break;
  }
}

std::vector<RestoreResult> RestoreWorker::take_results() { return std::exchange(results_, {}); }

}  // namespace blkrewind::pipeline
