// The HTTP status of each code of the API, product ECS, version 2014-05-26.
//
// Pure; any thread.
#pragma once

#include "blkrewind/api_code.h"

namespace blkrewind::serve {

[[nodiscard]] int http_status(ApiCode code);

}  // namespace blkrewind::serve
