#include "cli/serve/signature_v1.h"

#include "cli/serve/api_errors.h"
#include "cli/serve/percent.h"

namespace blkrewind::serve {

std::string string_to_sign_v1(std::string_view method, const Parameters& parameters) {
  std::string query;
  for (const Parameter& one : parameters.sorted()) {
    if (one.key == "Signature") continue;
    if (!query.empty()) query += '&';
    append_percent_encoded(query, one.key);
    query += '=';
    append_percent_encoded(query, one.value);
  }
  std::string text = std::string(method) + "&%2F&";
  append_percent_encoded(text, query);
  return text;
}

Result<Claim> read_v1(std::string_view method, const Parameters& parameters) {
  Claim claim;
  claim.scheme = Scheme::kV1;
  BLKREWIND_ASSIGN(claim.access_key_id, parameters.need("AccessKeyId"));
  BLKREWIND_ASSIGN(claim.signature, parameters.need("Signature"));
  BLKREWIND_ASSIGN(const std::string algorithm, parameters.need("SignatureMethod"));
  BLKREWIND_ASSIGN(const std::string scheme_version, parameters.need("SignatureVersion"));
  BLKREWIND_ASSIGN(claim.nonce, parameters.need("SignatureNonce"));
  BLKREWIND_ASSIGN(claim.timestamp, parameters.need("Timestamp"));
  BLKREWIND_ASSIGN(claim.version, parameters.need("Version"));
  BLKREWIND_ASSIGN(claim.action, parameters.need("Action"));
  if (algorithm != "HMAC-SHA1" || scheme_version != "1.0") {
    return fail(api_error(kIncompleteSignature,
                          "sign with SignatureMethod=HMAC-SHA1 and SignatureVersion=1.0, or with "
                          "ACS3-HMAC-SHA256 in the headers"));
  }
  claim.strings_to_sign.push_back(string_to_sign_v1(method, parameters));
  claim.shown = claim.strings_to_sign.front();
  return claim;
}

}  // namespace blkrewind::serve
