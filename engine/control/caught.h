// Catches exceptions at the public calls.
//
//   Result<T> Engine::call() try {
//     ...
//   } catch (...) {
//     return fail(caught());
//   }
#pragma once

#include <stdexcept>

#include "blkrewind/error.h"

namespace blkrewind {

// Thrown by a call on a public object that was moved from.
struct MovedFrom : std::logic_error {
  using std::logic_error::logic_error;
};

// The error for the exception that is being handled. Memory may be exhausted anywhere, and the
// caller's own callbacks may throw.
[[nodiscard]] Error caught() noexcept;

}  // namespace blkrewind
