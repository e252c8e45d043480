// Deletes snapshots whose retention has ended.
#pragma once

#include <cstdint>
#include <optional>

#include "blkrewind/engine.h"

namespace blkrewind::serve {

class Retention {
 public:
  explicit Retention(Engine& engine) : engine_(engine) {}

  // Checks once a minute; `now` in seconds of a clock that cannot be set. A snapshot that cannot be
  // deleted now (its disk is busy) is tried again the next time.
  void tend(std::int64_t now);

 private:
  Engine& engine_;
  std::optional<std::int64_t> next_look_;
};

}  // namespace blkrewind::serve
