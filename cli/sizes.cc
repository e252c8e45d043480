#include "cli/sizes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "blkrewind/units.h"
#include "cli/output.h"
#include "cli/serve/text.h"

namespace blkrewind::cli {

using serve::equal_ignoring_case;

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

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto refuse = [&] {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a duration",
                "write a number with ms, s, m or h, as in 500ms or 2s; at most 24h");
  };
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{}) return refuse();
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  constexpr std::uint64_t kDayMs = 24 * 3600 * 1000;
  std::uint64_t unit_ms = 1000;
  if (unit == "ms") {
    unit_ms = 1;
  } else if (unit == "m") {
    unit_ms = 60 * 1000;
  } else if (unit == "h") {
    unit_ms = 3600 * 1000;
  } else if (!unit.empty() && unit != "s") {
    return refuse();
  }
  if (value > kDayMs / unit_ms) return refuse();
  return std::chrono::milliseconds(value * unit_ms);
}

Result<Extent> parse_range(std::string_view text) {
  const std::size_t plus = text.find('+');
  if (plus == std::string_view::npos) {
    return fail(Errc::kInvalidArgument, "\"" + std::string(text) + "\" is not a range",
                "give offset and length with a plus between them, as in 1MiB+512KiB");
  }
  Extent range;
  BLKREWIND_ASSIGN(range.offset, parse_size(text.substr(0, plus)));
  BLKREWIND_ASSIGN(range.length, parse_size(text.substr(plus + 1)));
  return range;
}

Result<std::uint32_t> parse_chunk_size(std::string_view text) {
  BLKREWIND_ASSIGN(const std::uint64_t bytes, parse_size(text));
  if (!is_valid_chunk_bytes(bytes)) {
    return fail(Errc::kInvalidArgument, quoted(text) + " is not a chunk size",
                "choose a power of two from 4KiB to 1MiB");
  }
  return static_cast<std::uint32_t>(bytes);
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
