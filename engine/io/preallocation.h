// Whether all bytes of a file are allocated on its file system.
#pragma once

#include "blkrewind/units.h"

namespace blkrewind::io {

// True if no byte of the range is in a hole; reserved (fallocate(1)) and written blocks count
// alike. Such an image was allocated on purpose and stays so: it is zeroed without freeing blocks
// (ZeroMethod::kZeroRange), where a sparse one gets holes. False also if that is unknown.
[[nodiscard]] bool is_fully_allocated(int fd, const Extent& range);

}  // namespace blkrewind::io
