// A folder as another host sees it: tests/passthrough, mounted for the lifetime of the object.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/temp_dir.h"

namespace blkrewind::test {

class Passthrough {
 public:
  // `program`: passthrough. If it cannot mount, why() says so, and a test skips.
  Passthrough(const std::string& program, const std::string& folder,
              const std::string& options = "rw");
  ~Passthrough();
  Passthrough(const Passthrough&) = delete;
  Passthrough& operator=(const Passthrough&) = delete;

  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] std::string file(const std::string& name) const { return target_.file(name); }

 private:
  TempDir target_;
  pid_t child_ = -1;
  std::string why_;
};

}  // namespace blkrewind::test
