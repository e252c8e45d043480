// Invariants are checked in release builds too: a program with a broken invariant must not write to
// a disk.
#pragma once

namespace blkrewind {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace blkrewind

#define BLKREWIND_CHECK(expression)                               \
  do {                                                            \
    if (!(expression)) [[unlikely]] {                             \
      ::blkrewind::check_failed(#expression, __FILE__, __LINE__); \
    }                                                             \
  } while (false)
