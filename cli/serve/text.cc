#include "cli/serve/text.h"

#include <algorithm>

namespace blkrewind::serve {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

unsigned byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

// Length in bytes by the first byte; 0 if it is not a valid first byte.
std::size_t length_by(unsigned first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

bool is_xml_character(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  return c != 0xfffe && c != 0xffff;
}

char lower_of(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

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

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const auto character = take_character(text);
    if (!character || *character < 0x20) return false;
    if (*character >= 0x7f && *character < 0xa0) return false;
  }
  return true;
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string xml_text(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    const auto character = take_character(text);
    if (character && is_xml_character(*character)) {
      result += before.substr(0, before.size() - text.size());
    } else {
      result += kReplacement;
    }
  }
  return result;
}

std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (byte_at(text, end) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower_of, lower_of);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower_of);
  return result;
}

}  // namespace blkrewind::serve
