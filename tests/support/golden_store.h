// The store of version 1 that is kept in tests/golden, with the digests of what it holds.
#pragma once

#include <string>

namespace blkrewind::test {

// Absolute path of tests/golden/v1.
[[nodiscard]] std::string golden_folder();

}  // namespace blkrewind::test
