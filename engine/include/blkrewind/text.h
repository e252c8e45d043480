// Text and identifiers as the engine reads them, for programs that check what they pass on to it.
//
// Any thread; nothing is kept.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "blkrewind/export.h"

namespace blkrewind {

// The character that `text` begins with; its bytes are taken off the front. nullopt, and one byte
// is taken off, when they are not well-formed UTF-8 (Unicode table 3-7: no overlong forms, no
// surrogates, nothing above U+10FFFF). `text` must not be empty.
[[nodiscard]] BLKREWIND_API std::optional<char32_t> take_character(std::string_view& text);

// Well-formed UTF-8 of 1 to `max_bytes` bytes without control characters and line breaks, which can
// be shown on a terminal.
[[nodiscard]] BLKREWIND_API bool is_printable_text(std::string_view text, std::size_t max_bytes);

// `prefix` ("d-", "s-", "i-"), then at least one letter or digit and nothing else; at most 30 bytes
// in all, as in the ResetDisk API.
[[nodiscard]] BLKREWIND_API bool is_valid_id(std::string_view prefix, std::string_view text);

// For AcceptOptions::request_id: a random (version 4) UUID in upper case, as the API writes it.
[[nodiscard]] BLKREWIND_API std::string new_request_id();

}  // namespace blkrewind
