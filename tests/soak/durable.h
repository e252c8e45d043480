// Small files that are there whole or as they were before, whenever the writer is killed.
#pragma once

#include <string>

namespace blkrewind::soak {

// Throws std::runtime_error with the text of errno.
[[noreturn]] void fail_with_errno(const std::string& what);
// Gives `path` this content; flushed on return, and so is its name.
void replace_file(const std::string& path, const std::string& content);
[[nodiscard]] std::string content_of(const std::string& path);

}  // namespace blkrewind::soak
