// Signature version 3: ACS3-HMAC-SHA256, in the headers.
//
//   Authorization: ACS3-HMAC-SHA256 Credential=ID,SignedHeaders=a;b,Signature=HEX
//
// The canonical request is, joined by line feeds: the method; the path; the query's parameters
// sorted by the bytes of their keys, percent-encoded; a line "name:value" for each signed header,
// and an empty one; the names of the signed headers; the SHA-256 of the body in hexadecimal. The
// string to sign is "ACS3-HMAC-SHA256", a line feed, and the SHA-256 of the canonical request.
//
// Where clients differ: one family writes a parameter with an empty value as "key=", another (the
// older openapi-util for TypeScript) as "key". Either is accepted. They mean the same call, so a
// signature of one vouches for the other.
//
// Any thread; nothing is kept.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "cli/serve/claim.h"
#include "cli/serve/parameters.h"
#include "cli/serve/request.h"

namespace blkrewind::serve {

// Whether the request is to be judged by this scheme: its Authorization begins with "ACS3-", and by
// nothing else, since some clients send x-acs-* headers and sign by version 1.
[[nodiscard]] bool is_v3(const RawRequest& request);

// `parameters` are those of `request`. MissingParameter for a mandatory header that is not there.
// IncompleteSignature, with a hint, for: another algorithm; an Authorization that is not written as
// above, or comes twice; SignedHeaders that are not in lower case, sorted, each once; a mandatory
// header that is not among them; one among them that is not in the request, or comes twice. When
// x-acs-content-sha256 is not the body's, no signature will match the claim.
[[nodiscard]] Result<Claim> read_v3(const RawRequest& request, const Parameters& parameters);

}  // namespace blkrewind::serve
