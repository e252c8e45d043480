// Allocation of space for new chunk bytes: all that a scan needs to know of the store.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind::format {

struct Placement {
  io::File* file = nullptr;  // stays open as long as the SpaceSource exists
  std::uint32_t segment = 0;
  std::uint32_t block = 0;  // kBlockBytes from the start of the file
};

class SpaceSource {
 public:
  virtual ~SpaceSource() = default;
  // Contiguous space for `length_bytes`, rounded up to whole blocks; at most 64 MiB. Any thread.
  [[nodiscard]] virtual Result<Placement> reserve(std::uint64_t length_bytes) = 0;
};

}  // namespace blkrewind::format
