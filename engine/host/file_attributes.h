// Restrictions on an image file other than its permissions.
#pragma once

#include <string>

namespace blkrewind::host {

// Why no process can rewrite an open file, and a hint: it is immutable, append-only, or sealed by
// fs-verity. Empty: none of these, as far as its file system reports.
struct WriteBar {
  std::string reason;  // "is append-only"
  std::string hint;
};
[[nodiscard]] WriteBar write_bar(int fd, const std::string& path);

}  // namespace blkrewind::host
