// Hints for operations that the kernel does not permit.
#pragma once

#include <string>

namespace blkrewind {

// Returns `for_others` to a process that is not root, which may run again as root; a process of
// root gets the reason why root is refused.
[[nodiscard]] std::string permission_hint(const std::string& for_others);

}  // namespace blkrewind
