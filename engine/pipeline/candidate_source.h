// What may differ from what a tree says: candidates, leaf by leaf, in order.
//
// A source may err only towards too much: what it calls unchanged must be; what it calls changed is
// read and compared by digest.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/geometry.h"

namespace blkrewind::pipeline {

// Chunks of one leaf.
using ChunkSet = std::bitset<format::kFanout>;

// Calls `visit` with the number of each chunk of the set, in ascending order.
template <class Visit>
void for_each_chunk(std::uint64_t leaf, const ChunkSet& chunks, const Visit& visit) {
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    if (chunks.test(i)) visit(leaf * format::kFanout + i);
  }
}

// The chunks of one leaf. Those in neither set are as the reference tree says.
struct Candidate {
  std::uint64_t leaf = 0;
  ChunkSet read;  // to be read and digested
  ChunkSet zero;  // known to be zero without reading
};

// One thread.
class CandidateSource {
 public:
  virtual ~CandidateSource() = default;
  // Leaves in ascending order, each at most once; nothing after the last.
  [[nodiscard]] virtual Result<std::optional<Candidate>> next() = 0;
  // As in a receipt: "scan", "bitmap", "extents".
  [[nodiscard]] virtual const char* name() const = 0;
  // About how many bytes it names in all, or an upper bound: for progress and the number of
  // workers.
  [[nodiscard]] virtual Result<std::uint64_t> work_bytes() = 0;
};

}  // namespace blkrewind::pipeline
