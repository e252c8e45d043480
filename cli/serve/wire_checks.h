// What can be said of a request before anything in it is decoded, and where its parameters are.
//
// Any thread; nothing is kept.
#pragma once

#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

// Method, then limits and the shape of headers, then the path.
[[nodiscard]] Status check_wire(const RawRequest& request);

// What follows the "?" of a target.
[[nodiscard]] std::string_view query_of(const RawRequest& request);

// The body, when it is a form. Empty when there is none; InvalidRequest for any other content: the
// V1 signature does not cover it, and the API takes none.
[[nodiscard]] Result<std::string_view> form_of(const RawRequest& request);

// The answer's format, found without decoding, for a request that may be beyond it: JSON for V3 and
// where a parameter Format says so.
[[nodiscard]] Format format_at_sight(const RawRequest& request);

}  // namespace blkrewind::serve
