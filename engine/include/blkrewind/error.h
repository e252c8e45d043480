// Errors are values: every public call returns Result<T>; none lets an exception out.
//
// An Error says what failed (`code`), where (`extent`, and the path inside `message`), what the
// kernel said (`sys_errno`), the road that led there (`context`, innermost first) and what the
// caller can do next (`remedy`), as a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "blkrewind/api_code.h"
#include "blkrewind/export.h"
#include "blkrewind/remedy.h"
#include "blkrewind/units.h"

namespace blkrewind {

enum class Errc : std::uint8_t {
  kInvalidArgument,  // the caller asked for something that makes no sense
  kNotFound,         // no such device, disk, snapshot, instance or store
  kAlreadyExists,    // a name or id is taken
  kPrecondition,  // refused by a rule; nothing was touched. `api` names the rule, if it is one of
                  // the API
  kIo,            // the device or the store failed to read, write or flush
  kNoSpace,       // the file system under the store is full
  kIntegrity,     // a digest did not match, or a structure is damaged
  kUnsupported,   // a store of a newer format, or a kernel that lacks what is needed
  kBusy,          // another process holds the device or the disk
  kCancelled,     // the caller's cancel flag was set
  kInternal,      // a bug in blkrewind
};

[[nodiscard]] BLKREWIND_API std::string_view to_string(Errc code);

struct [[nodiscard]] BLKREWIND_API Error {
  Errc code = Errc::kInternal;
  int sys_errno = 0;                 // 0 when no system call is to blame
  std::optional<Extent> extent;      // bytes of the device or file that `message` names
  std::optional<ApiCode> api;        // the cloud API's code, where a rule of it refused
  Remedy remedy;                     // what to do about it; may be empty
  std::string message;               // one sentence, no line break
  std::vector<std::string> context;  // "while ...", innermost first

  // Adds one step of the road, and returns itself so that it can be passed on.
  Error&& while_doing(std::string step) &&;
  Error&& with_remedy(Remedy what) &&;
  Error&& at(Extent where) &&;

  // message, errno text, extent and context in one line; without the remedy.
  [[nodiscard]] std::string to_string() const;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}
[[nodiscard]] BLKREWIND_API tl::unexpected<Error> fail(Errc code, std::string message,
                                                       Remedy remedy = {});

// An error of a system call; kNoSpace for ENOSPC and EDQUOT, kNotFound for ENOENT, kBusy for EBUSY,
// kCancelled for ECANCELED, kIo for the rest.
[[nodiscard]] BLKREWIND_API Error system_error(int sys_errno, std::string message);

}  // namespace blkrewind

// Hands the error of `expr` to the caller, or goes on.
#define BLKREWIND_TRY(expr)                                                              \
  do {                                                                                   \
    if (auto blkrewind_status_ = (expr); !blkrewind_status_) [[unlikely]] {              \
      return ::tl::unexpected<::blkrewind::Error>(std::move(blkrewind_status_).error()); \
    }                                                                                    \
  } while (false)

#define BLKREWIND_CONCAT_INNER(a, b) a##b
#define BLKREWIND_CONCAT(a, b) BLKREWIND_CONCAT_INNER(a, b)

// BLKREWIND_ASSIGN(auto value, expression): declares or assigns, or hands the error on.
#define BLKREWIND_ASSIGN(target, expr) \
  BLKREWIND_ASSIGN_INNER(target, expr, BLKREWIND_CONCAT(blkrewind_result_, __LINE__))
#define BLKREWIND_ASSIGN_INNER(target, expr, result)                        \
  auto result = (expr);                                                     \
  if (!result) [[unlikely]] {                                               \
    return ::tl::unexpected<::blkrewind::Error>(std::move(result).error()); \
  }                                                                         \
  target = std::move(*result)
