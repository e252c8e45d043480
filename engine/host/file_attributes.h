// Restrictions on an image file other than its permissions.
#pragma once

#include <string>

#include "blkrewind/remedy.h"

namespace blkrewind::host {

// Why no process can rewrite an open file, and a remedy: it is immutable, append-only, or sealed by
// fs-verity. Empty: none of these, as far as its file system reports.
struct WriteBar {
  std::string reason;  // "is append-only"
  Remedy remedy;
};
[[nodiscard]] WriteBar write_bar(int fd, const std::string& path);

}  // namespace blkrewind::host
