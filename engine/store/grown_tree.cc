#include "store/grown_tree.h"

#include <cstring>
#include <string>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/remedies.h"

namespace blkrewind::store {
namespace {

using format::kFanout;

// The chunk with zeroes behind it, in a new place.
Result<format::Entry> lengthen(SegmentFiles& files, const DigestSecret& secret,
                               const format::Entry& old, std::uint64_t chunk,
                               std::uint64_t old_bytes, std::uint64_t new_bytes,
                               SegmentWriter& writer, io::Queue& queue) {
  const auto damaged = [&] {
    return fail(Errc::kIntegrity,
                "chunk " + std::to_string(chunk) + " is corrupt in the store (segment " +
                    std::to_string(old.segment) + ", offset " + std::to_string(old.offset_bytes()) +
                    ")",
                restore_file("bring the file back from a backup of the store"));
  };
  if (old.length_bytes != old_bytes) return damaged();
  AlignedBuffer bytes(align_up(new_bytes, format::kBlockBytes));
  const Extent stored{old.offset_bytes(), align_up(old_bytes, format::kBlockBytes)};
  BLKREWIND_ASSIGN(const auto file, files.get(old.segment, queue));
  BLKREWIND_ASSIGN(const std::uint64_t there,
                   io::read_there_now(queue, *file, stored, bytes.data()));
  const auto digest = [&](std::uint64_t length) {
    return digest_of(secret, bytes.span().first(length), DigestDomain::kChunk, 0, chunk);
  };
  if (there < stored.length || digest(old_bytes) != old.digest) return damaged();
  std::memset(bytes.data() + old_bytes, 0, bytes.size() - old_bytes);
  BLKREWIND_ASSIGN(const auto place, writer.reserve(new_bytes));
  BLKREWIND_TRY(io::write_now(queue, *place.file, {place.block * format::kBlockBytes, bytes.size()},
                              bytes.data()));
  format::Entry entry = old;
  entry.segment = place.segment;
  entry.block = place.block;
  entry.length_bytes = static_cast<std::uint32_t>(new_bytes);
  entry.digest = digest(new_bytes);
  return entry;
}

}  // namespace

Result<GrownTree> grow_tree(SegmentFiles& files, const DigestSecret& secret, const Tree& from,
                            const format::Geometry& to, SegmentWriter& writer, io::Queue& queue) {
  BLKREWIND_CHECK(to.chunk_bytes == from.geometry.chunk_bytes &&
                  to.device_bytes >= from.geometry.device_bytes);
  GrownTree grown;
  grown.root = from.root;
  if (from.root.is_zero()) return grown;
  TreeReader reader(files, queue, secret);
  TreeCursor cursor(reader, from);
  const std::uint64_t last = from.geometry.chunk_count() - 1;
  const std::uint64_t old_bytes = from.geometry.chunk_extent(last).length;
  const std::uint64_t new_bytes = to.chunk_extent(last).length;
  BLKREWIND_ASSIGN(format::Entry entry, cursor.entry(0, last));
  if (!entry.is_zero() && old_bytes != new_bytes) {
    BLKREWIND_ASSIGN(entry,
                     lengthen(files, secret, entry, last, old_bytes, new_bytes, writer, queue));
    grown.stored_bytes = new_bytes;
    grown.lengthened_bytes = new_bytes - old_bytes;
    std::uint64_t below = last;
    for (std::uint32_t level = 0; level < from.geometry.height(); ++level, below /= kFanout) {
      BLKREWIND_ASSIGN(const format::Node* old, cursor.node(level, below / kFanout));
      format::Node node = *old;
      node.entries[below % kFanout] = entry;
      BLKREWIND_ASSIGN(entry, writer.append_node(queue, node));
    }
    grown.root = entry;
  }
  for (std::uint32_t level = from.geometry.height(); level < to.height(); ++level) {
    format::Node above;
    above.level = level;
    above.entries[0] = grown.root;
    BLKREWIND_ASSIGN(grown.root, writer.append_node(queue, above));
  }
  return grown;
}

}  // namespace blkrewind::store
