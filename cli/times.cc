#include "cli/times.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>

#include "cli/output.h"

namespace blkrewind::cli {
namespace {

// Takes exactly `digits` decimal digits off the front of `text`.
bool take_number(std::string_view& text, std::size_t digits, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// "Z", "+08:00", "+0800"; seconds east of UTC.
bool take_zone(std::string_view& text, int& seconds_east) {
  seconds_east = 0;
  if (take_char(text, 'Z') || take_char(text, 'z')) return true;
  const bool west = !text.empty() && text.front() == '-';
  if (!take_char(text, '+') && !take_char(text, '-')) return false;
  int hours = 0;
  int minutes = 0;
  if (!take_number(text, 2, hours)) return false;
  take_char(text, ':');
  if (!take_number(text, 2, minutes)) return false;
  if (hours > 14 || minutes > 59) return false;
  seconds_east = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
  return true;
}

bool take_date(std::string_view& text, std::int64_t& seconds) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!take_number(text, 4, year) || !take_char(text, '-') || !take_number(text, 2, month) ||
      !take_char(text, '-') || !take_number(text, 2, day)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return false;
  seconds = std::chrono::seconds(std::chrono::sys_days{date}.time_since_epoch()).count();
  return true;
}

bool take_clock(std::string_view& text, std::int64_t& seconds) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_number(text, 2, hour) || !take_char(text, ':') || !take_number(text, 2, minute)) {
    return false;
  }
  if (take_char(text, ':') && !take_number(text, 2, second)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  seconds = (hour * 60 + minute) * 60 + second;
  return true;
}

}  // namespace

Result<std::int64_t> parse_time(std::string_view text) {
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a time",
                "write it as 2013-07-15T00:00:00Z, as 2013-07-15, or as @ and seconds since 1970");
  };
  // What four digits can say, so that it is shown as it was written.
  const auto in_range = [&](std::int64_t seconds) -> Result<std::int64_t> {
    constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01T00:00:00Z
    constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31T23:59:59Z
    if (seconds >= kFirst && seconds <= kLast) return seconds;
    return fail(Errc::kInvalidArgument, quoted(text) + " is not in the years 0 to 9999",
                "write a year of four digits");
  };
  std::string_view rest = text;
  if (take_char(rest, '@')) {
    std::int64_t seconds = 0;
    const char* const end = rest.data() + rest.size();
    const auto [last, error] = std::from_chars(rest.data(), end, seconds);
    if (error != std::errc{} || last != end) return refuse();
    return in_range(seconds);
  }
  std::int64_t date = 0;
  if (!take_date(rest, date)) return refuse();
  if (rest.empty()) return in_range(date);
  std::int64_t clock = 0;
  int seconds_east = 0;
  if (!take_char(rest, 'T') && !take_char(rest, 't') && !take_char(rest, ' ')) return refuse();
  // A clock time without a zone means another moment on every machine: refused.
  if (!take_clock(rest, clock) || !take_zone(rest, seconds_east) || !rest.empty()) return refuse();
  return in_range(date + clock - seconds_east);
}

std::string format_time(std::int64_t epoch_seconds) {
  const std::chrono::sys_seconds moment{std::chrono::seconds{epoch_seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{day};
  const auto clock = (moment - day).count();
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock / 3600),
                static_cast<int>(clock / 60 % 60), static_cast<int>(clock % 60));
  return text.data();
}

}  // namespace blkrewind::cli
