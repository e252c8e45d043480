// From a sequence of chunks to a device (or only through verification): planned, read, verified,
// written, by several workers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "io/env.h"
#include "pipeline/restore_worker.h"
#include "pipeline/workforce.h"
#include "store/history.h"
#include "store/tree_diff.h"

namespace blkrewind::pipeline {

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
  std::uint64_t work_bytes = 0;  // what will be moved, for progress and the number of workers
  Means means;
  // Goes on after a bad chunk, or one that cannot be read, up to this many of them; 0 stops at the
  // first.
  std::size_t bad_max = 0;
  // Not 0: only blocks of this size that differ from what stands on the device are written.
  std::uint32_t compare_block_bytes = 0;
  // As restore_worker.h says.
  bool share = false;
  bool verified = false;
  // Each chunk by itself, so that a bad one does not keep its neighbours from being written.
  bool one_by_one = false;
};

struct RestoreOutcome {
  std::uint64_t restored_bytes = 0;  // of stored chunks: written, or verified
  std::uint64_t zeroed_bytes = 0;
  std::uint64_t chunks = 0;
  std::uint64_t extents = 0;            // of the device; neighbours are one
  std::vector<pipeline::BadChunk> bad;  // damage
  // Chunks of the store that could not be read: they may be whole. Nothing is marked for them, and
  // the operation can be done again.
  std::vector<pipeline::BadChunk> unreadable;

  [[nodiscard]] std::size_t failed() const { return bad.size() + unreadable.size(); }
};

// Errors are those of the device, of tree nodes, or kCancelled; chunks that are bad or cannot be
// read are in the outcome. Does not flush.
[[nodiscard]] Result<RestoreOutcome> restore_chunks(store::History& history,
                                                    const RestoreRequest& request,
                                                    const Monitor& monitor);

// What must be written where to turn `from` into `to`.
[[nodiscard]] ChunkStream difference_stream(store::TreeReader& reader, const store::Tree& from,
                                            const store::Tree& to);

// The error that names a bad chunk, the device's extent and the place in the store.
[[nodiscard]] Error bad_chunk_error(const pipeline::BadChunk& bad,
                                    const format::Geometry& geometry);
// The same of one that could not be read: kIo, with the errno and the path of its segment.
[[nodiscard]] Error unreadable_chunk_error(const store::History& history,
                                           const pipeline::BadChunk& chunk,
                                           const format::Geometry& geometry);
// The first one, for an operation that needs all of them; nothing when all were read.
[[nodiscard]] Status all_readable(const store::History& history, const RestoreOutcome& outcome,
                                  const format::Geometry& geometry);

}  // namespace blkrewind::pipeline
