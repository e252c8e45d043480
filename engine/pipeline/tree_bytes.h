// The bytes that a tree describes, at any offset: read from the segments, several requests at a
// time, and compared with their digests before they are handed out.
//
// Chunks that are wanted whole go from a slot of the lane to the caller. One that is wanted in part
// is kept in the cache, because its other parts are likely to be wanted next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "blkrewind/error.h"
#include "pipeline/read_lanes.h"
#include "store/chunk_cache.h"
#include "store/history.h"
#include "store/node_cache.h"
#include "store/tree_cursor.h"

namespace blkrewind::pipeline {

// What all readers of a store share.
struct ReadMeans {
  ReadMeans(io::Env& env, std::uint64_t buffer_bytes, std::uint64_t cache_bytes)
      : lanes(env, buffer_bytes), chunks(cache_bytes), nodes(cache_bytes / kNodesShare) {}

  static constexpr std::uint64_t kNodesShare = 4;

  ReadLanes lanes;
  store::ChunkCache chunks;
  store::NodeCache nodes;
};

// Fills `into`. The range must be within the tree's device. kIntegrity or kIo name the chunk, or
// the node.
[[nodiscard]] Status read_tree(store::History& history, const store::Tree& tree, ReadMeans& means,
                               std::uint64_t offset, std::span<std::byte> into);

// Calls `visit` with the ranges of `within` that the tree has data of, merged, in ascending order,
// until it returns false. With `base`, a tree of the same geometry: those that differ from it.
[[nodiscard]] Status visit_tree(store::History& history, const store::Tree& base,
                                const store::Tree& tree, ReadMeans& means, const Extent& within,
                                const std::function<bool(Extent)>& visit);

}  // namespace blkrewind::pipeline
