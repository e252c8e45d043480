#include "rollback/restore_lane.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"

namespace blkrewind::rollback {
namespace {

std::uint64_t tag_of(std::uint32_t slot, std::size_t part) {
  return std::uint64_t{part} << 32 | slot;
}

}  // namespace

RestoreLane::RestoreLane(std::unique_ptr<io::Queue> queue, const RestoreSettings& settings)
    : queue_(std::move(queue)), settings_(settings), transfers_(queue_->slots().size()) {
  for (auto slot = static_cast<std::uint32_t>(transfers_.size()); slot-- > 0;) {
    free_slots_.push_back(slot);
  }
  BLKREWIND_CHECK(!free_slots_.empty());
}

void RestoreLane::add(Task task) {
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  Transfer& transfer = transfers_[slot];
  transfer = {};
  transfer.result.sequence = task.sequence;
  transfer.result.device = task.item.device;
  transfer.result.zero = task.item.zero;
  transfer.result.chunks = task.item.chunks.size();
  transfer.task = std::move(task);
  const PlanItem& item = transfer.task.item;
  if (item.zero) {
    if (settings_.device == nullptr) {
      finish(slot);
      return;
    }
    transfer.writing = true;
    transfer.outstanding = 1;
    batch_.push_back(
        {io::Op::kWriteZeroes, settings_.device, item.device, nullptr, tag_of(slot, 0)});
    return;
  }
  const io::Slot& memory = queue_->slots()[slot];
  BLKREWIND_CHECK(align_up(item.device.length, format::kBlockBytes) <= memory.size_bytes);
  plan_reads(transfer);
  transfer.outstanding = static_cast<std::uint32_t>(transfer.reads.size());
  if (transfer.reads.empty()) {
    finish(slot);
    return;
  }
  for (std::size_t i = 0; i < transfer.reads.size(); ++i) {
    const Read& read = transfer.reads[i];
    batch_.push_back(
        {io::Op::kRead, read.file, read.extent, memory.data + read.buffer_offset, tag_of(slot, i)});
  }
}

void RestoreLane::plan_reads(Transfer& transfer) const {
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

Status RestoreLane::submit_batch() {
  const std::size_t count = std::min(batch_.size(), queue_->depth() - queue_->in_flight());
  if (count == 0) return {};
  BLKREWIND_TRY(queue_->submit(std::span(batch_).first(count)));
  batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

Status RestoreLane::step() {
  BLKREWIND_TRY(submit_batch());
  completions_.clear();
  BLKREWIND_TRY(queue_->wait(1, completions_));
  for (const io::Completion& completion : completions_) BLKREWIND_TRY(handle(completion));
  return submit_batch();
}

Status RestoreLane::handle(const io::Completion& completion) {
  const auto slot = static_cast<std::uint32_t>(completion.user_data);
  const auto part = static_cast<std::size_t>(completion.user_data >> 32);
  Transfer& transfer = transfers_[slot];
  if (transfer.writing) {
    if (completion.error != 0) {
      return fail(io::request_error(transfer.task.item.zero ? io::Op::kWriteZeroes : io::Op::kWrite,
                                    *settings_.device, transfer.task.item.device,
                                    completion.error));
    }
    finish(slot);
    return {};
  }
  read_done(slot, part, completion.error);
  if (--transfer.outstanding != 0) return {};
  if (settings_.device == nullptr || !transfer.result.bad.empty()) {
    finish(slot);
    return {};
  }
  transfer.writing = true;
  transfer.outstanding = 1;
  batch_.push_back({io::Op::kWrite, settings_.device, transfer.task.item.device,
                    queue_->slots()[slot].data, tag_of(slot, 0)});
  return {};
}

void RestoreLane::read_done(std::uint32_t slot, std::size_t part, int error) {
  Transfer& transfer = transfers_[slot];
  const Read& read = transfer.reads[part];
  const std::byte* data = queue_->slots()[slot].data + read.buffer_offset;
  for (std::size_t i = read.first; i < read.first + read.count; ++i) {
    const PlannedChunk& planned = transfer.task.item.chunks[i];
    const std::span<const std::byte> bytes(data, planned.source.length_bytes);
    data += align_up(planned.source.length_bytes, format::kBlockBytes);
    const bool right =
        error == 0 &&
        planned.source.length_bytes == settings_.geometry.chunk_extent(planned.chunk).length &&
        digest_of(*settings_.secret, bytes, DigestDomain::kChunk, 0, planned.chunk) ==
            planned.source.digest;
    if (!right) transfer.result.bad.push_back({planned.chunk, planned.source, error});
  }
}

void RestoreLane::finish(std::uint32_t slot) {
  Transfer& transfer = transfers_[slot];
  results_.push_back(std::move(transfer.result));
  transfer = {};
  free_slots_.push_back(slot);
}

void RestoreLane::drain() {
  batch_.clear();
  while (queue_->in_flight() > 0) {
    completions_.clear();
    if (!queue_->wait(queue_->in_flight(), completions_)) break;
  }
}

std::vector<RestoreResult> RestoreLane::take_results() { return std::exchange(results_, {}); }

}  // namespace blkrewind::rollback
