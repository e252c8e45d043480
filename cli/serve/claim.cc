#include "cli/serve/claim.h"

#include <cstring>

#include "cli/serve/access_keys.h"
#include "cli/serve/digests.h"

namespace blkrewind::serve {

std::string signature_of(Scheme scheme, std::string_view secret, std::string_view string_to_sign) {
  if (scheme == Scheme::kV3) return hex(hmac_sha256(secret, string_to_sign));
  Secret key(secret.size() + 1);
  std::memcpy(key.data(), secret.data(), secret.size());
  key.data()[secret.size()] = '&';
  return base64(hmac_sha1(key.view(), string_to_sign));
}

bool is_signed_with(const Claim& claim, std::string_view secret) {
  bool found = false;
  for (const std::string& text : claim.strings_to_sign) {
    // All are computed, regardless of the results of the earlier ones.
    const bool equal =
        equal_in_constant_time(signature_of(claim.scheme, secret, text), claim.signature);
    found = found || equal;
  }
  return found;
}

}  // namespace blkrewind::serve
