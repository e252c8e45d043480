#include "control/caught.h"

#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <system_error>

namespace blkrewind {

Error caught() noexcept {
  Error error;
  error.code = Errc::kInternal;
  try {
    throw;
  } catch (const std::bad_alloc&) {
    // Short enough to need no allocation itself.
    error.code = Errc::kIo;
    error.sys_errno = ENOMEM;
    error.message = "out of memory";
    error.hint = "see ulimit -v";
  } catch (const std::system_error& exception) {
    // Above all, a thread that cannot be created (EAGAIN).
    error = system_error(exception.code().value(), "the process has met one of its limits");
  } catch (const MovedFrom& exception) {
    error.code = Errc::kInvalidArgument;
    error.message = exception.what();
  } catch (const std::exception& exception) {
    error.message = std::string("unexpected: ") + exception.what();
  } catch (...) {
    error.message = "unexpected exception";
  }
  return error;
}

}  // namespace blkrewind
