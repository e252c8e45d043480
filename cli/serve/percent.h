// Percent-encoding of RFC 3986, as required by the API's signatures.
//
// Any thread; no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace blkrewind::serve {

// Onto the end of `result`: letters, digits and "-._~" (RFC 3986, 2.3) stay; every other byte
// becomes % and two capital digits.
void append_percent_encoded(std::string& result, std::string_view text);

// The decoded bytes of `text`; "+" is a blank, as in forms and in the queries of several clients.
// nullopt for a % that is not followed by two hexadecimal digits. The bytes may be anything: NUL,
// or invalid UTF-8.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace blkrewind::serve
