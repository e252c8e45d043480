// Where exceptions end: at the public calls.
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

// Thrown when a public object is used that was moved from.
struct MovedFrom : std::logic_error {
  using std::logic_error::logic_error;
};

// In a handler: what the exception becomes. Memory may run out anywhere, and the caller's own
// callbacks may throw.
[[nodiscard]] Error caught() noexcept;

}  // namespace blkrewind
