// Sizes, times and durations as users enter and read them.
//
// Pure functions, safe from any thread. Parsers return kInvalidArgument with a remedy.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::cli {

// "65536", "64KiB", "64k", "1MiB", "1M", "1 MiB": powers of 1024, whatever the letter case. "kB"
// and "MB" are refused, because some programs mean 1000 by them and some 1024.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

// "1MiB+512KiB": offset and length, each as parse_size() takes it.
[[nodiscard]] Result<Extent> parse_range(std::string_view text);

// parse_size() of a power of two from 4 KiB to 1 MiB.
[[nodiscard]] Result<std::uint32_t> parse_chunk_size(std::string_view text);

// The value of --chunk-size into SnapshotOptions or ImportOptions; empty: it was not given.
template <class Options>
[[nodiscard]] Status take_chunk_size(std::string_view text, Options& options) {
  if (text.empty()) return {};
  BLKREWIND_ASSIGN(options.chunk_bytes, parse_chunk_size(text));
  options.chunk_bytes_given = true;
  return {};
}

// "2s", "500ms", "5m", "1h"; without a unit: seconds.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// "yes" or "no" (also true, false, on, off, 1, 0).
[[nodiscard]] Result<bool> parse_yes_no(std::string_view text);

// "0:07", "12:34", "1:02:03".
[[nodiscard]] std::string format_clock(double seconds);

// "0.004 s", "1.23 s", "12.3 s", "12:34".
[[nodiscard]] std::string format_elapsed(double seconds);

// "1.26 GiB/s"; empty if there is nothing to divide.
[[nodiscard]] std::string format_rate(std::uint64_t bytes, double seconds);

}  // namespace blkrewind::cli
