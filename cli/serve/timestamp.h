// The API's time: yyyy-MM-ddTHH:mm:ssZ, in UTC, and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace blkrewind::serve {

// A request is heard this long before and after its timestamp, in seconds.
inline constexpr std::int64_t kTimestampWindowSeconds = 15 * 60;

// Seconds since the epoch. nullopt when a digit, a letter or the calendar is not right; a leap
// second is not. Any thread.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace blkrewind::serve
