// A RequestId: a random UUID in upper case, as the API writes it.
#pragma once

#include <string>

namespace blkrewind::serve {

[[nodiscard]] std::string new_request_id();

}  // namespace blkrewind::serve
