// Deletes snapshots whose RetentionDays are over.
#pragma once

#include <cstdint>
#include <optional>

#include "blkrewind/engine.h"

namespace blkrewind::serve {

class Retention {
 public:
  explicit Retention(Engine& engine) : engine_(engine) {}

  // Looks once a minute; `now` in seconds of a clock that is never set. What cannot be deleted now
  // (its disk is busy) is tried again at the next look.
  void tend(std::int64_t now);

 private:
  Engine& engine_;
  std::optional<std::int64_t> next_look_;
};

}  // namespace blkrewind::serve
