// Signature version 3: ACS3-HMAC-SHA256, in the headers.
//
//   Authorization: ACS3-HMAC-SHA256 Credential=ID,SignedHeaders=a;b,Signature=HEX
//
// The canonical request is, joined by line feeds: the method; the path; the query's parameters
// sorted by the bytes of their keys, percent-encoded; a line "name:value" for each signed header,
// and an empty one; the names of the signed headers; the SHA-256 of the body in hexadecimal. The
// string to sign is "ACS3-HMAC-SHA256", a line feed, and the SHA-256 of the canonical request.
//
// Clients differ: some write a parameter with an empty value as "key=", others (the older
// openapi-util for TypeScript) as "key". Both are accepted. They mean the same call, so a signature
// of one form is also valid for the other.
//
// Any thread; no state.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/claim.h"
#include "cli/serve/parameters.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

// Whether the request uses this scheme: its Authorization header starts with "ACS3-". No other
// header counts, because some clients send x-acs-* headers and sign by version 1.
[[nodiscard]] bool is_v3(const RawRequest& request);

// `parameters` are those of `request`. MissingParameter for a mandatory header that is missing.
// IncompleteSignature, with a remedy, for: another algorithm; an Authorization header that does not
// have the form above, or occurs twice; SignedHeaders that are not in lower case, sorted, each
// once; a mandatory header that is not among them; one among them that is not in the request, or
// occurs twice. If x-acs-content-sha256 is not that of the body, no signature matches the claim.
[[nodiscard]] Result<Claim> read_v3(const RawRequest& request, const Parameters& parameters);

}  // namespace blkrewind::serve
