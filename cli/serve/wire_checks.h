// Checks of a request before anything in it is decoded, and the location of its parameters.
//
// Any thread; no state.
#pragma once

#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

// Method, then limits and syntax of headers, then the path.
[[nodiscard]] Status check_wire(const RawRequest& request);

// The part of a target after the "?".
[[nodiscard]] std::string_view query_of(const RawRequest& request);

// The body, if it is a form. Empty if there is none; InvalidRequest for any other content: the V1
// signature does not cover it, and the API does not accept it.
[[nodiscard]] Result<std::string_view> form_of(const RawRequest& request);

// The answer's format, determined without decoding, for a request that may not be decodable: JSON
// for V3 and if a parameter Format says so.
[[nodiscard]] Format format_at_sight(const RawRequest& request);

}  // namespace blkrewind::serve
