// What to say where the kernel does not permit something.
#pragma once

#include <string>

namespace blkrewind {

// `for_others` to a process that is not root, which may become it; root is told what refuses root.
[[nodiscard]] std::string permission_hint(const std::string& for_others);

}  // namespace blkrewind
