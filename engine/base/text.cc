#include "blkrewind/text.h"

#include <cstddef>

namespace blkrewind {
namespace {

unsigned byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

// Length in bytes by the first byte; 0 when none begins so.
std::size_t length_by(unsigned first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

}  // namespace

std::optional<char32_t> take_character(std::string_view& text) {
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned first = byte_at(text, 0);
  const std::size_t length = length_by(first);
  if (length == 0 || text.size() < length) {
    text.remove_prefix(1);
    return std::nullopt;
  }
  char32_t character = length == 1 ? first : first & (0x7fU >> length);
  bool sound = true;
  for (std::size_t i = 1; i < length; ++i) {
    sound = sound && (byte_at(text, i) & 0xc0) == 0x80;
    character = character << 6 | (byte_at(text, i) & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  if (!sound || surrogate || character < kLeast[length] || character > 0x10ffff) {
    text.remove_prefix(1);
    return std::nullopt;
  }
  text.remove_prefix(length);
  return character;
}

}  // namespace blkrewind
