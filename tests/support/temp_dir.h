// A directory of a test's own, removed with all its content even when the test fails.
#pragma once

#include <string>

namespace blkrewind::test {

class TempDir {
 public:
  // Makes a new directory, mode 0700, under `parent`, or under $TMPDIR or /tmp when it is empty.
  // Throws std::runtime_error, which fails the test.
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
