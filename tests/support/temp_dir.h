// A temporary directory for a test, removed with all its content even if the test fails.
#pragma once

#include <string>

namespace blkrewind::test {

class TempDir {
 public:
  // Creates a new directory, mode 0700, under `parent`, or, if that is empty, under $TMPDIR or
  // /tmp. Throws std::runtime_error, which fails the test.
  explicit TempDir(const std::string& parent = {});
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace blkrewind::test
