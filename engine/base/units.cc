#include "blkrewind/units.h"

#include <array>
#include <cstdio>

namespace blkrewind {

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  std::uint64_t scale = 1;
  while (unit + 1 < kUnits.size() && bytes / scale >= 1024) {
    scale *= 1024;
    ++unit;
  }
  std::array<char, 64> text{};
  if (bytes % scale == 0) {
    std::snprintf(text.data(), text.size(), "%llu %s",
                  static_cast<unsigned long long>(bytes / scale), kUnits[unit]);
  } else {
    std::snprintf(text.data(), text.size(), "%.2f %s",
                  static_cast<double>(bytes) / static_cast<double>(scale), kUnits[unit]);
  }
  return text.data();
}

std::string to_string(const Extent& extent) {
  return "[offset " + std::to_string(extent.offset) + ", length " + std::to_string(extent.length) +
         "]";
}

}  // namespace blkrewind
