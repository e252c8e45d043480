// The API's time format: yyyy-MM-ddTHH:mm:ssZ, in UTC, and no other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace blkrewind::serve {

// A request is valid for this long before and after its timestamp, in seconds.
inline constexpr std::int64_t kTimestampWindowSeconds = 15 * 60;

// Seconds since the epoch. nullopt if the format or the date is invalid; leap seconds are invalid.
// Any thread.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace blkrewind::serve
