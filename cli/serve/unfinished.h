// Accepted resets that no process works on: passed to workers, at start and while the server runs.
//
// Not only at start, because a command may have held the disk just then, or another server of the
// same store may have died since. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "blkrewind/engine.h"
#include "cli/serve/jobs.h"

namespace blkrewind::serve {

class Unfinished {
 public:
  // Both outlive this.
  Unfinished(Engine& engine, Jobs& jobs) : engine_(engine), jobs_(jobs) {}

  // Takes all of them. kBusy if there are more than places.
  [[nodiscard]] Status take_up_all();
  // Checks once a second, and takes as many as there are places for; `now` in seconds of a clock
  // that cannot be set.
  void tend(std::int64_t now);

 private:
  void take_up(Jobs::Place place, RollbackTask task);

  Engine& engine_;
  Jobs& jobs_;
  std::optional<std::int64_t> next_look_;
  std::string last_complaint_;  // an error that recurs every second is logged once
};

}  // namespace blkrewind::serve
