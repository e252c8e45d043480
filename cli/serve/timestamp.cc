#include "cli/serve/timestamp.h"

#include <chrono>
#include <cstddef>

namespace blkrewind::serve {
namespace {

// 0 stands for a digit; every other character for itself.
constexpr std::string_view kShape = "0000-00-00T00:00:00Z";

bool has_shape(std::string_view text) {
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits = kShape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
    if (!fits) return false;
  }
  return true;
}

int number_at(std::string_view text, std::size_t offset, std::size_t digits) {
  int value = 0;
  for (const char c : text.substr(offset, digits)) value = value * 10 + (c - '0');
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  if (!has_shape(text)) return std::nullopt;
  const std::chrono::year_month_day date(
      std::chrono::year(number_at(text, 0, 4)),
      std::chrono::month(static_cast<unsigned>(number_at(text, 5, 2))),
      std::chrono::day(static_cast<unsigned>(number_at(text, 8, 2))));
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

}  // namespace blkrewind::serve
