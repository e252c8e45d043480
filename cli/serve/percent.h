// Percent-encoding of RFC 3986, as the API's signatures want it.
//
// Any thread; nothing is kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace blkrewind::serve {

// Onto the end of `result`: letters, digits and "-._~" (RFC 3986, 2.3) stay; every other byte
// becomes % and two capital digits.
void append_percent_encoded(std::string& result, std::string_view text);

// The bytes that `text` stands for; "+" is a blank, as forms and several clients' queries write it.
// nullopt for a % without two hexadecimal digits behind it. The bytes may be anything: NUL, or no
// UTF-8.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace blkrewind::serve
