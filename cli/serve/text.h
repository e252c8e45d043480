// Text of requests and answers. UTF-8 is what take_character() of blkrewind/text.h takes.
//
// Any thread; no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace blkrewind::serve {

// Well-formed UTF-8 without control characters (C0, DEL and C1).
[[nodiscard]] bool is_plain_text(std::string_view text);

// Only visible ASCII, 0x21 to 0x7e.
[[nodiscard]] bool is_visible_ascii(std::string_view text);

// `text` with U+FFFD in place of everything that XML 1.0 (section 2.2, Char) does not allow: most
// control characters, U+FFFE, U+FFFF, and bytes that are not UTF-8.
[[nodiscard]] std::string xml_text(std::string_view text);

// The first `bytes_max` bytes, or slightly fewer so that no character is cut.
[[nodiscard]] std::string_view cut(std::string_view text, std::size_t bytes_max);

// A token of HTTP: RFC 9110, 5.6.2.
[[nodiscard]] bool is_token(std::string_view text);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace blkrewind::serve
