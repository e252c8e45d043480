// Answers of the API as bytes.
//
// Any thread; no state.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

using Json = nlohmann::ordered_json;

struct Answer {
  int status = 200;
  std::string content_type;
  std::string body;
};

// 200. `fields` is an object, or null for none; RequestId precedes them. Its keys must be XML
// names. As XML the root is <ACTIONResponse>, an array under a key is that element repeated, null
// is an empty element. Characters that XML 1.0 does not allow, and bytes that are not UTF-8, become
// U+FFFD.
[[nodiscard]] Answer render(Format format, std::string_view action, std::string_view request_id,
                            const Json& fields);

// What a client sees of an error. With a code of the API: that code, its message and its status.
// Without one:
//
//   kBusy                            Operation.Conflict 403, the API's message
//   kInvalidArgument, kNotFound      InvalidParameter 400, the error's message
//   kAlreadyExists, kPrecondition    OperationDenied 403, the error's message
//   kCancelled                       ServiceUnavailable 503, the API's message
//   others                           InternalError 500, the API's message
//
// The remedy, as recommend() says it, accompanies every message that is the error's own or the
// API's for its code; other errors are shown without details, which could reveal internals.
struct ShownError {
  int status = 500;
  std::string code;
  std::string message;
  std::string recommend;  // or empty
};
[[nodiscard]] ShownError shown(const Error& error);

[[nodiscard]] Answer render_error(Format format, std::string_view request_id,
                                  std::string_view host_id, const Error& error);

}  // namespace blkrewind::serve
