// Signature version 1.0: HMAC-SHA1 over the parameters, which contain the signature themselves.
//
// The canonical query consists of all parameters of query and form except Signature, sorted by the
// bytes of their keys, each written "key=value" percent-encoded (an empty value too) and joined by
// "&". The string to sign is the method, "&%2F&", and the canonical query percent-encoded once
// more.
//
// Any thread; no state.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/claim.h"
#include "cli/serve/parameters.h"

namespace blkrewind::serve {

[[nodiscard]] std::string string_to_sign_v1(std::string_view method, const Parameters& parameters);

// MissingParameter for the first required parameter that is missing; IncompleteSignature for
// another SignatureMethod or SignatureVersion.
[[nodiscard]] Result<Claim> read_v1(std::string_view method, const Parameters& parameters);

}  // namespace blkrewind::serve
