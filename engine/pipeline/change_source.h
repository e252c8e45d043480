// The chunks that may differ from a tree: candidates, leaf by leaf, in ascending order.
//
// A change source may report too much, but never too little: chunks that it does not report must be
// unchanged; reported chunks are read and compared by digest.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/geometry.h"

namespace blkrewind::pipeline {

using ChunkSet = std::bitset<format::kFanout>;

// The chunks of one leaf. Chunks in neither set are as in the reference tree.
struct Candidate {
  std::uint64_t leaf = 0;
  ChunkSet read;  // to be read and digested
  ChunkSet zero;  // known to be zero without reading
};

class ChangeSource {
 public:
  virtual ~ChangeSource() = default;
  // Leaves in ascending order, each at most once; empty after the last. One thread.
  [[nodiscard]] virtual Result<std::optional<Candidate>> next() = 0;
  // As in a receipt: "scan".
  [[nodiscard]] virtual const char* name() const = 0;
};

}  // namespace blkrewind::pipeline
