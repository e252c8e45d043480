// Where exceptions end: at the public calls.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "blkrewind/error.h"

namespace blkrewind {

// Memory may run out anywhere, and the caller's own callbacks may throw. The text for the first is
// short enough to need no memory itself.
template <class Body>
auto guarded(const Body& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Errc::kInternal, "out of memory");
  } catch (const std::exception& exception) {
    return fail(Errc::kInternal, std::string("unexpected: ") + exception.what());
  } catch (...) {
    return fail(Errc::kInternal, "unexpected exception");
  }
}

}  // namespace blkrewind
