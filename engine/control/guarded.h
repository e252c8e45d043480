// Catches exceptions at the public calls.
#pragma once

#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "blkrewind/error.h"

namespace blkrewind {

// Memory may be exhausted anywhere, and the caller's own callbacks may throw. The message for the
// first is short enough to need no allocation itself.
template <class Body>
auto guarded(const Body& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    Error error;
    error.code = Errc::kIo;
    error.sys_errno = ENOMEM;
    error.message = "out of memory";
    error.remedy = run_program("raise the limit of address space", "ulimit -v");
    return tl::unexpected<Error>(std::move(error));
  } catch (const std::system_error& exception) {
    // Above all, a thread that cannot be created (EAGAIN).
    return tl::unexpected<Error>(
        system_error(exception.code().value(), "the process has met one of its limits"));
  } catch (const std::exception& exception) {
    return fail(Errc::kInternal, std::string("unexpected: ") + exception.what());
  } catch (...) {
    return fail(Errc::kInternal, "unexpected exception");
  }
}

}  // namespace blkrewind
