#include "store/segment_writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "format/segment_header.h"

namespace blkrewind::store {

using format::kBlockBytes;
using format::kNodeBytes;

SegmentWriter::SegmentWriter(Home& home, format::DiskNumber disk, const format::StoreHeader& header,
                             std::uint64_t epoch, format::SegmentId next)
    : home_(home),
      disk_(disk),
      uuid_(header.uuid),
      secret_(header.secret),
      epoch_(epoch),
      first_(next),
      next_(next) {}

SegmentWriter::~SegmentWriter() {
  if (!kept_) abandon();
}

void SegmentWriter::abandon() {
  for (const auto& segment : segments_) {
    segment->file.reset();
    // A file that is not removed now is an orphan, removed by the next remove_orphans().
    if (!home_.has_late_writes()) (void)home_.remove_segment(disk_, segment->id);
  }
  segments_.clear();
}

Result<SegmentWriter::Segment*> SegmentWriter::add_segment() {
  while (true) {
    const format::SegmentId id = next_++;
    auto file = home_.create_segment(disk_, id);
    if (!file) {
      // A former owner has taken the number.
      if (file.error().code == Errc::kAlreadyExists) continue;
      return fail(std::move(file).error());
    }
    auto segment = std::make_unique<Segment>();
    segment->id = id;
    segment->file = std::move(*file);
    segment->length_bytes = format::kSegmentHeaderBytes;
    segments_.push_back(std::move(segment));
    return segments_.back().get();
  }
}

Result<format::Placement> SegmentWriter::reserve_in(Segment*& current, std::uint64_t length) {
  length = align_up(length, kBlockBytes);
  if (current == nullptr || current->length_bytes + length > kSegmentBytes) {
    BLKREWIND_ASSIGN(current, add_segment());
  }
  const format::Placement placement{
      current->file.get(), current->id,
      static_cast<std::uint32_t>(current->length_bytes / kBlockBytes)};
  current->length_bytes += length;
  if (current->length_bytes > current->extended_bytes) {
    // Writes within the file's length need not take the inode's lock to extend it.
    current->extended_bytes = align_up(current->length_bytes, kExtendBytes);
    BLKREWIND_TRY(current->file->truncate(current->extended_bytes));
  }
  return placement;
}

Result<format::Placement> SegmentWriter::reserve(std::uint64_t length_bytes) {
  const std::lock_guard lock(mutex_);
  return reserve_in(chunks_, length_bytes);
}

Result<format::Entry> SegmentWriter::append_node(io::Queue& queue, const format::Node& node) {
  if (node_bytes_ + kNodeBytes > node_buffer_.size()) BLKREWIND_TRY(write_nodes(queue));
  if (node_buffer_.size() == 0) node_buffer_ = AlignedBuffer(kNodeBufferBytes);
  format::Placement placement;
  {
    const std::lock_guard lock(mutex_);
    BLKREWIND_ASSIGN(placement, reserve_in(nodes_, kNodeBytes));
  }
  const bool continues = node_bytes_ != 0 && placement.segment == node_run_.segment &&
                         placement.block == node_run_.block + node_bytes_ / kBlockBytes;
  if (!continues) {
    BLKREWIND_TRY(write_nodes(queue));
    node_run_ = placement;
  }
  format::encode_node(
      secret_, node,
      std::span<std::byte, kNodeBytes>(node_buffer_.data() + node_bytes_, kNodeBytes));
  node_bytes_ += kNodeBytes;

  format::Entry entry;
  entry.state = format::EntryState::kStored;
  entry.segment = placement.segment;
  entry.block = placement.block;
  entry.length_bytes = kNodeBytes;
  entry.digest = format::node_digest(secret_, node);
  return entry;
}

Status SegmentWriter::write_nodes(io::Queue& queue) {
  if (node_bytes_ == 0) return {};
  BLKREWIND_TRY(io::write_now(queue, *node_run_.file, {node_run_.block * kBlockBytes, node_bytes_},
                              node_buffer_.data()));
  node_bytes_ = 0;
  return {};
}

Status SegmentWriter::release(io::Queue& queue, const format::Entry& entry) {
  const std::uint64_t length = align_up(entry.length_bytes, kBlockBytes);
  io::File* file = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::ranges::find(segments_, entry.segment, [](const auto& s) { return s->id; });
    BLKREWIND_CHECK(found != segments_.end() && (*found)->live_bytes() >= length);
    (*found)->released_bytes += length;
    file = (*found)->file.get();
  }
  return io::discard_now(queue, *file, {entry.offset_bytes(), length});
}

Status SegmentWriter::seal(io::Queue& queue) {
  if (segments_.empty()) return {};
  BLKREWIND_TRY(write_nodes(queue));
  chunks_ = nullptr;
  nodes_ = nullptr;
  std::erase_if(segments_, [&](const std::unique_ptr<Segment>& segment) {
    if (segment->live_bytes() != 0) return false;
    segment->file.reset();
    // Otherwise an orphan, as in abandon().
    if (!home_.has_late_writes()) (void)home_.remove_segment(disk_, segment->id);
    return true;
  });
  AlignedBuffer block(format::kSegmentHeaderBytes);
  for (const auto& segment : segments_) {
    format::encode_segment_header(
        secret_, {uuid_, disk_, segment->id, epoch_},
        std::span<std::byte, format::kSegmentHeaderBytes>(block.data(), block.size()));
    BLKREWIND_TRY(io::write_now(queue, *segment->file, {0, block.size()}, block.data()));
    BLKREWIND_TRY(segment->file->truncate(segment->length_bytes));
    BLKREWIND_TRY(io::flush_now(queue, *segment->file));
  }
  return home_.sync_segments(disk_);
}

std::vector<format::SegmentRecord> SegmentWriter::records() const {
  std::vector<format::SegmentRecord> records;
  for (const auto& segment : segments_) {
    records.push_back({segment->id, segment->live_bytes()});
  }
  return records;
}

io::File* SegmentWriter::find(format::SegmentId id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(segments_, id, [](const auto& s) { return s->id; });
  return found == segments_.end() ? nullptr : (*found)->file.get();
}

}  // namespace blkrewind::store
