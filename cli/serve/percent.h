// Percent-encoding of RFC 3986, as required by the API's signatures.
//
// Any thread; no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace blkrewind::serve {

// Letters, digits and "-._~" (RFC 3986, 2.3) are unchanged; every other byte becomes % and two
// upper-case digits.
[[nodiscard]] std::string percent_encode(std::string_view text);
// The same, appended to `result`.
void append_percent_encoded(std::string& result, std::string_view text);

// The decoded bytes of `text`; "+" is a blank, as in forms and in the queries of several clients.
// nullopt for a % that is not followed by two hexadecimal digits. The bytes may be anything: NUL,
// or invalid UTF-8.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace blkrewind::serve
