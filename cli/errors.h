// An Error as the user sees it: text or JSON on stderr, and the exit status.
#pragma once

#include <string>

#include "blkrewind/error.h"

namespace blkrewind::cli {

enum ExitStatus : int {
  kExitDone = 0,
  kExitUsage = 2,         // the command line makes no sense
  kExitPrecondition = 3,  // refused by a rule, not found, or taken; nothing was touched
  kExitIo = 4,            // the device or the store failed, or lacks what is needed
  kExitIntegrity = 5,     // a digest did not match, or a structure is damaged
  kExitBusy = 6,          // another process holds the device, the disk or the store
};

// `signal`: what cancelled the operation; 128 + signal for kCancelled, 130 when it is 0.
[[nodiscard]] int exit_status(const Error& error, int signal);

// The API's code when a rule of the API refused, else the name of the Errc.
[[nodiscard]] std::string error_code(const Error& error);

// "blkrewind: CODE: message", then the context and the remedy on lines of their own.
// `store_option` ("--store DIR", or empty) goes into every command of ours, so that what is typed
// means the same store. The message of
// an API refusal is left as the API has it, to the letter.
[[nodiscard]] std::string error_text(const Error& error, const std::string& store_option = {});

// One object: code, message, errno, extent, hint, remedy, http_status, context; null where there is
// none.
[[nodiscard]] std::string error_json(const Error& error, const std::string& store_option = {});

}  // namespace blkrewind::cli
