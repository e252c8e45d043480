// From a sequence of chunks to a device (or only through verification): planned, read, verified,
// written, by several lanes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "io/env.h"
#include "rollback/restore_lane.h"
#include "store/store.h"
#include "store/tree_diff.h"
#include "workforce.h"

namespace blkrewind {

// Chunks in ascending order: what shall stand there. Nothing after the last.
struct ChunkTarget {
  std::uint64_t chunk = 0;
  format::Entry source;
};
using ChunkStream = std::function<Result<std::optional<ChunkTarget>>()>;

struct RestoreRequest {
  io::File* device = nullptr;  // nullptr: verify only
  format::Geometry geometry;
  ChunkStream chunks;
  const char* phase = "restore";
  std::uint64_t work_bytes = 0;  // what will be moved, for progress and the number of lanes
  Means means;
  // Goes on after a bad chunk, up to this many; 0 stops at the first.
  std::size_t bad_max = 0;
  // Not 0: only blocks of this size that differ from what stands on the device are written.
  std::uint32_t compare_block_bytes = 0;
  // As restore_lane.h says.
  bool share = false;
  bool verified = false;
  // Each chunk by itself, so that a bad one does not keep its neighbours from being written.
  bool one_by_one = false;
};

struct RestoreOutcome {
  std::uint64_t restored_bytes = 0;  // of stored chunks: written, or verified
  std::uint64_t zeroed_bytes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t extents = 0;  // of the device; neighbours are one
  std::vector<rollback::BadChunk> bad;
};

// Errors are those of the device, of tree nodes, or kCancelled; bad chunks are in the outcome. Does
// not flush.
[[nodiscard]] Result<RestoreOutcome> restore_chunks(store::Store& store,
                                                    const RestoreRequest& request,
                                                    const Monitor& monitor);

// What must be written where to turn `from` into `to`.
[[nodiscard]] ChunkStream difference_stream(store::TreeReader& reader, const store::Tree& from,
                                            const store::Tree& to);

// The error that names a bad chunk, the device's extent and the place in the store.
[[nodiscard]] Error bad_chunk_error(const rollback::BadChunk& bad,
                                    const format::Geometry& geometry);

}  // namespace blkrewind
