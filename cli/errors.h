// An Error as the user sees it: text or JSON on stderr, and the exit status.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"

namespace blkrewind::cli {

enum ExitStatus : int {
  kExitDone = 0,
  kExitUsage = 2,         // the command line makes no sense
  kExitPrecondition = 3,  // refused by a rule, not found, or taken; nothing was touched
  kExitIo = 4,            // the device or the store failed, or lacks what is needed
  kExitIntegrity = 5,     // a digest did not match, or a structure is damaged
  kExitBusy = 6,          // somebody else holds the device, the disk or the store
};

// `signal`: what cancelled the operation; 128 + signal for kCancelled, 130 when it is 0.
[[nodiscard]] int exit_status(const Error& error, int signal);

// The API's code when a rule of the API refused, else the name of the Errc.
[[nodiscard]] std::string error_code(const Error& error);

// Hints name commands as "blkrewind COMMAND ...": `option` (if not empty) is inserted after each
// such "blkrewind", so that what is typed again means the same store. Quoted words are left alone.
[[nodiscard]] std::string with_store(std::string_view hint, const std::string& option);

// "blkrewind: CODE: message", then the context and the hint on lines of their own. The message of
// an API refusal is left as the API has it, to the letter.
[[nodiscard]] std::string error_text(const Error& error);

// One object: code, message, errno, extent, hint, http_status, context; null where there is none.
[[nodiscard]] std::string error_json(const Error& error);

}  // namespace blkrewind::cli
