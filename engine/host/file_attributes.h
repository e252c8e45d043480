// What may be done to an image file, apart from its permissions.
#pragma once

#include <string>

#include "blkrewind/remedy.h"

namespace blkrewind::host {

// Why an open file cannot be rewritten by any process, and what to do about it: it is immutable,
// append-only, or sealed by fs-verity. Empty: none of these, as far as its file system says.
struct WriteBar {
  std::string reason;  // "is append-only"
  Remedy remedy;
};
[[nodiscard]] WriteBar write_bar(int fd, const std::string& path);

}  // namespace blkrewind::host
