// Times, of the command line and of the API.
//
// Pure functions, safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// "2013-07-15T00:00:00Z", with an offset ("+08:00") instead of Z, "2013-07-15" (its start, UTC), or
// "@1373846400". Seconds since the epoch; of the years 0 to 9999. kInvalidArgument, with a remedy.
[[nodiscard]] Result<std::int64_t> parse_time(std::string_view text);

// "2013-07-15T00:00:00Z"
[[nodiscard]] std::string format_time(std::int64_t epoch_seconds);

}  // namespace blkrewind::cli
