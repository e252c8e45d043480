// What may differ from what a tree says: candidates, leaf by leaf, in order.
//
// A change source may err only towards too much: what it calls unchanged must be; what it calls
// changed is read and compared by digest.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "blkrewind/error.h"
#include "format/geometry.h"

namespace blkrewind::pipeline {

using ChunkSet = std::bitset<format::kFanout>;

// The chunks of one leaf. Those in neither set are as the reference tree says.
struct Candidate {
  std::uint64_t leaf = 0;
  ChunkSet read;  // to be read and digested
  ChunkSet zero;  // known to be zero without reading
};

class ChangeSource {
 public:
  virtual ~ChangeSource() = default;
  // Leaves in ascending order, each at most once; nothing after the last. One thread.
  [[nodiscard]] virtual Result<std::optional<Candidate>> next() = 0;
  // As in a receipt: "scan".
  [[nodiscard]] virtual const char* name() const = 0;
};

}  // namespace blkrewind::pipeline
