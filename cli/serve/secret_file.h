// A file that contains secrets: opened once, checked by its descriptor, read in full.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "blkrewind/error.h"

namespace blkrewind::serve {

// Bytes that are wiped when they are released. Never printed.
class Secret {
 public:
  // Maximum length.
  explicit Secret(std::size_t size_bytes) : bytes_(size_bytes, '\0') {}
  explicit Secret(std::string_view text) : bytes_(text) {}
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  [[nodiscard]] std::string_view view() const { return bytes_; }
  [[nodiscard]] char* data() { return bytes_.data(); }

 private:
  std::string bytes_;
};

struct SecretFileRules {
  std::string what;  // "the access keys"
  std::string kind;  // what should be named instead: "a file of lines ..."
  std::size_t bytes_max = 0;
  bool others_may_read = false;
};

// kPrecondition if it is not a regular file, belongs to a user other than root or the effective
// user, or has a mode that the rules refuse; kInvalidArgument if it is too long; kIo and kNotFound
// from the kernel. Does not block on a pipe.
[[nodiscard]] Result<std::unique_ptr<Secret>> read_secret_file(const std::string& path,
                                                               const SecretFileRules& rules);

}  // namespace blkrewind::serve
