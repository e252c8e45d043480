#include "support/temp_dir.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace blkrewind::test {

TempDir::TempDir(const std::string& parent) {
  const char* from_environment = std::getenv("TMPDIR");
  std::string base = parent;
  if (base.empty()) base = from_environment != nullptr ? from_environment : "/tmp";
  path_ = base + "/blkrewind-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("mkdtemp " + path_ + ": " + std::strerror(errno));
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace blkrewind::test
