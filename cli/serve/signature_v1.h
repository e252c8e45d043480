// Signature version 1.0: HMAC-SHA1 over the parameters, which carry the signature themselves.
//
// All parameters of query and form but Signature, sorted by the bytes of their keys, each written
// "key=value" percent-encoded (an empty value too) and joined by "&", are the canonical query. The
// string to sign is the method, "&%2F&", and the canonical query percent-encoded once more.
//
// Any thread; nothing is kept.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/claim.h"
#include "cli/serve/parameters.h"

namespace blkrewind::serve {

[[nodiscard]] std::string string_to_sign_v1(std::string_view method, const Parameters& parameters);

// MissingParameter for the first of the required ones that is not there; IncompleteSignature for
// another SignatureMethod or SignatureVersion.
[[nodiscard]] Result<Claim> read_v1(std::string_view method, const Parameters& parameters);

}  // namespace blkrewind::serve
