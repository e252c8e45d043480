// Space in the store for new chunk bytes: all that a scan needs to know of it.
#pragma once

#include <cstdint>
#include <functional>

#include "blkrewind/error.h"
#include "io/env.h"

namespace blkrewind::format {

struct Placement {
  io::File* file = nullptr;  // stays open as long as the operation's segments do
  std::uint32_t segment = 0;
  std::uint32_t block = 0;  // kBlockBytes from the start of the file
};

// Contiguous space for `length_bytes`, rounded up to whole blocks; at most 64 MiB. Any thread.
using Reserve = std::function<Result<Placement>(std::uint64_t length_bytes)>;

}  // namespace blkrewind::format
