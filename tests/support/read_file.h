// All bytes of a file.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace blkrewind::test {

// Empty where it cannot be read.
[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace blkrewind::test
