// Whether a file has a place on its file system for each of its bytes.
#pragma once

#include "blkrewind/units.h"

namespace blkrewind::io {

// True when no byte of the range lies in a hole: what was reserved (fallocate(1)) or written counts
// alike. Such an image was given its space on purpose, and keeps it: it is zeroed without giving
// blocks back (ZeroMethod::kZeroRange), where a sparse one gets its holes again. False also where
// it cannot be told.
[[nodiscard]] bool is_fully_allocated(int fd, const Extent& range);

}  // namespace blkrewind::io
