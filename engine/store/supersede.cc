#include "store/supersede.h"

#include <span>

#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind::store {

Result<std::uint64_t> release_superseded(History& history, SegmentWriter& writer, io::Queue& queue,
                                         const Tree& former, const Tree& now) {
  BLKREWIND_TRY(writer.write_nodes(queue));
  std::uint64_t chunk_bytes = 0;
  // Chunks first: a node that was given back cannot be read any more.
  const auto height = static_cast<int>(former.geometry.height());
  for (int level = UniqueFilter::kChunks; level < height; ++level) {
    TreeReader reader(history.files(), queue, history.secret(), &writer);
    BLKREWIND_TRY(for_each_unique(reader, former, std::span(&now, 1),
                                  {.what = level, .own_from = writer.first_segment()},
                                  [&](const UniqueExtent& extent) {
                                    if (level == UniqueFilter::kChunks) {
                                      chunk_bytes += extent.entry.length_bytes;
                                    }
                                    return writer.release(queue, extent.entry);
                                  }));
  }
  return chunk_bytes;
}

}  // namespace blkrewind::store
