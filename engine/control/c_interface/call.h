// What each function of the C interface (blkrewind/blkrewind.h) is wrapped in.
//
//   int blkrewind_thing(blkrewind_engine* engine, ..., blkrewind_error** error) {
//     return call(error, [&]() -> Status {
//       BLKREWIND_TRY(need(engine != nullptr, "engine"));
//       ...
//     });
//   }
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "blkrewind/blkrewind.h"
#include "blkrewind/engine.h"
#include "control/caught.h"

struct blkrewind_error {
  explicit blkrewind_error(const blkrewind::Error& from);

  blkrewind::Errc code;
  int sys_errno;
  std::optional<blkrewind::Extent> extent;
  std::string api_code;
  std::string message;
  std::string remedy;
};

// Readers share the Engine, which therefore ends with the last of them.
struct blkrewind_engine {
  std::shared_ptr<blkrewind::Engine> engine;
};

namespace blkrewind::c_interface {

// Hands the error to the caller; NULL if there is no memory for it. Returns its code.
int report(const Error& error, blkrewind_error** to) noexcept;

// No exception leaves it.
template <class Body>
int call(blkrewind_error** error, const Body& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    const Status status = body();
    return status ? int{BLKREWIND_OK} : report(status.error(), error);
  } catch (...) {
    return report(caught(), error);
  }
}

// kInvalidArgument unless `given`: the caller passed NULL for `name`.
[[nodiscard]] Status need(bool given, std::string_view name);

// The caller's text; NULL is empty.
[[nodiscard]] inline std::string text(const char* given) { return given == nullptr ? "" : given; }

}  // namespace blkrewind::c_interface
