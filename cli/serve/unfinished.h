// Accepted resets that nobody works on: given to workers, at the start and while the server runs.
//
// Not at the start alone: a command may have held the disk just then, or another server of the same
// store may have died since. One thread.
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

  // All there are. kBusy when there are more than places.
  [[nodiscard]] Status take_up_all();
  // Looks once a second, and takes up as many as there are places for; `now` in seconds of a
  // clock that is never set.
  void tend(std::int64_t now);

 private:
  void take_up(Jobs::Place place, RollbackTask task);

  Engine& engine_;
  Jobs& jobs_;
  std::optional<std::int64_t> next_look_;
  std::string last_complaint_;  // what goes wrong every second is logged once
};

}  // namespace blkrewind::serve
