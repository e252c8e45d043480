// The stores of every version that are kept in tests/golden, with the digests of what they hold.
#pragma once

#include <string>

namespace blkrewind::test {

// Absolute path of tests/golden/v1, for version 1.
[[nodiscard]] std::string golden_folder(unsigned version = 1);

}  // namespace blkrewind::test
