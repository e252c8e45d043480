// Small files that are replaced atomically, even if the writer is killed.
#pragma once

#include <string>

namespace blkrewind::soak {

// Throws std::runtime_error with the text of errno.
[[noreturn]] void fail_with_errno(const std::string& what);
// Replaces the content of `path`; content and name are flushed on return.
void replace_file(const std::string& path, const std::string& content);
[[nodiscard]] std::string content_of(const std::string& path);

}  // namespace blkrewind::soak
