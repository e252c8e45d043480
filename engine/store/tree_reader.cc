#include "store/tree_reader.h"

#include <algorithm>
#include <span>
#include <string>

#include "base/remedies.h"

namespace blkrewind::store {

using format::kNodeBytes;

TreeReader::TreeReader(SegmentFiles& files, io::Queue& queue, const DigestSecret& secret,
                       SegmentWriter* writer)
    : files_(files), queue_(queue), secret_(secret), writer_(writer) {}

TreeReader::TreeReader(SegmentFiles& files, io::Queue& queue, const DigestSecret& secret,
                       NodeCache& nodes)
    : files_(files), queue_(queue), secret_(secret), nodes_(&nodes) {}

Result<const std::byte*> TreeReader::bytes_at(std::uint32_t segment, std::uint64_t offset) {
  ++clock_;
  Window* oldest = windows_.data();
  std::uint64_t length = kNodeBytes;
  for (Window& window : windows_) {
    if (window.segment == segment && offset >= window.offset &&
        offset + kNodeBytes <= window.offset + window.length) {
      window.used_at = clock_;
      return window.bytes.data() + (offset - window.offset);
    }
    // A walk that continues where a window ended, or shortly after, will need the following nodes
    // too.
    if (window.segment == segment && window.length != 0 && offset >= window.offset &&
        offset <= window.offset + 2 * window.length) {
      length = std::max(length, std::min(kWindowMaxBytes, window.length * 8));
    }
    if (window.used_at < oldest->used_at) oldest = &window;
  }
  io::File* file = writer_ != nullptr ? writer_->find(segment) : nullptr;
  std::shared_ptr<io::File> held;
  if (file == nullptr) {
    BLKREWIND_ASSIGN(held, files_.get(segment, queue_));
    file = held.get();
  }
  Window& window = *oldest;
  window.length = 0;
  if (window.bytes.size() < length) window.bytes = AlignedBuffer(length);
  auto there = io::read_there_now(queue_, *file, {offset, length}, window.bytes.data());
  if (!there && length > kNodeBytes) {
    // The unreadable part may be in the read-ahead.
    length = kNodeBytes;
    there = io::read_there_now(queue_, *file, {offset, length}, window.bytes.data());
  }
  if (!there) return fail(std::move(there).error());
  if (*there < kNodeBytes) {
    return fail(Errc::kIntegrity,
                "a tree node is missing from the store: segment " + std::to_string(segment) + " (" +
                    file->path() + ") ends before offset " + std::to_string(offset + kNodeBytes),
                restore_file("bring the file back from a backup of the store"));
  }
  length = std::min(length, align_down(*there, kNodeBytes));
  window.segment = segment;
  window.offset = offset;
  // Bytes of this operation's own segments may not be written yet; only the requested ones are
  // certain.
  window.length = writer_ != nullptr && writer_->find(segment) == file ? kNodeBytes : length;
  window.used_at = clock_;
  return window.bytes.data();
}

Result<format::Node> TreeReader::load(const format::Entry& entry, std::uint32_t level,
                                      std::uint64_t index) {
  if (nodes_ == nullptr) return read(entry, level, index);
  const NodeCache::Place place{files_.disk(), entry.segment, entry.block};
  // The digest binds level and index.
  if (const auto known = nodes_->find(place, entry.digest)) return *known;
  BLKREWIND_ASSIGN(format::Node node, read(entry, level, index));
  nodes_->add(place, entry.digest, node);
  return node;
}

Result<format::Node> TreeReader::read(const format::Entry& entry, std::uint32_t level,
                                      std::uint64_t index) {
  BLKREWIND_ASSIGN(const std::byte* bytes, bytes_at(entry.segment, entry.offset_bytes()));
  auto node =
      format::decode_node(secret_, std::span<const std::byte, kNodeBytes>(bytes, kNodeBytes), level,
                          index, entry.digest);
  if (!node) {
    Error error = std::move(node).error();
    error.message += " (segment " + std::to_string(entry.segment) + ", offset " +
                     std::to_string(entry.offset_bytes()) + ")";
    return fail(std::move(error).with_remedy(
        restore_file("bring the file back from a backup of the store")));
  }
  return node;
}

}  // namespace blkrewind::store
