#include "cli/sizes.h"

#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "blkrewind/units.h"

namespace blkrewind::cli {
namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

// Consumes exactly `digits` decimal digits at the front of `text`.
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

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a size",
                "write bytes, or a number with KiB, MiB, GiB or TiB, as in 64KiB");
  };
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{}) return refuse();
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);

  struct Unit {
    const char* letter;
    const char* full;
    std::uint64_t bytes;
  };
  constexpr std::array<Unit, 4> kUnits = {
      {{"k", "KiB", kKiB}, {"m", "MiB", kMiB}, {"g", "GiB", kGiB}, {"t", "TiB", kTiB}}};
  if (unit.empty() || equal_ignoring_case(unit, "b")) return value;
  for (const Unit& candidate : kUnits) {
    if (!equal_ignoring_case(unit, candidate.letter) &&
        !equal_ignoring_case(unit, candidate.full)) {
      continue;
    }
    if (value > std::numeric_limits<std::uint64_t>::max() / candidate.bytes) {
      return fail(Errc::kInvalidArgument, quoted(text) + " is too large");
    }
    return value * candidate.bytes;
  }
  return refuse();
}

Result<std::uint32_t> parse_chunk_size(std::string_view text) {
  BLKREWIND_ASSIGN(const std::uint64_t bytes, parse_size(text));
  if (!is_valid_chunk_bytes(bytes)) {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a chunk size",
                "choose a power of two from 4KiB to 1MiB");
  }
  return static_cast<std::uint32_t>(bytes);
}

Result<std::int64_t> parse_time(std::string_view text) {
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a time",
                "write it as 2013-07-15T00:00:00Z, as 2013-07-15, or as @ and seconds since 1970");
  };
  // The range that four digits can express, so that a time is shown as it was entered.
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
  // A clock time without a zone would be a different moment on every machine: refused.
  if (!take_clock(rest, clock) || !take_zone(rest, seconds_east) || !rest.empty()) return refuse();
  return in_range(date + clock - seconds_east);
}

Result<bool> parse_yes_no(std::string_view text) {
  for (const char* yes : {"yes", "true", "on", "1"}) {
    if (equal_ignoring_case(text, yes)) return true;
  }
  for (const char* no : {"no", "false", "off", "0"}) {
    if (equal_ignoring_case(text, no)) return false;
  }
  return fail(Errc::kInvalidArgument, quoted(text) + " is neither yes nor no", "write yes or no");
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

std::string format_clock(double seconds) {
  constexpr double kTooLong = 359999;  // 99:59:59
  if (!(seconds >= 0)) seconds = 0;
  if (seconds > kTooLong) seconds = kTooLong;
  const long whole = std::lround(seconds);
  std::array<char, 64> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%ld:%02ld", whole / 60, whole % 60);
  }
  return text.data();
}

std::string format_elapsed(double seconds) {
  if (seconds >= 100) return format_clock(seconds);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(),
                seconds >= 10  ? "%.1f s"
                : seconds >= 1 ? "%.2f s"
                               : "%.3f s",
                seconds);
  return text.data();
}

std::string format_rate(std::uint64_t bytes, double seconds) {
  if (bytes == 0 || !(seconds > 0)) return {};
  const double rate = static_cast<double>(bytes) / seconds;
  if (rate < 1 || rate > 1e18) return {};
  return format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

}  // namespace blkrewind::cli
