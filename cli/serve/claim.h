// The claim of a request: who signed it, when, and for which action. Read from the parameters (V1)
// or from the headers (V3); it must not be trusted until is_signed_with() returns true.
//
// A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/remedy.h"

namespace blkrewind::serve {

enum class Scheme : std::uint8_t { kV1, kV3 };

struct Claim {
  Scheme scheme = Scheme::kV1;
  std::string access_key_id;
  std::string signature;  // as received
  std::string timestamp;
  std::string nonce;
  std::string version;
  std::string action;
  // A signature of any of them is accepted: clients differ in how they write an empty value. None
  // if no signature can match; `remedy` says why.
  std::vector<std::string> strings_to_sign;
  // For the client's author to compare; never contains a secret.
  std::string shown;
  Remedy remedy;
};

// The signature's text: base64 of HMAC-SHA1 under "SECRET&" (V1), hexadecimal of HMAC-SHA256 (V3).
[[nodiscard]] std::string signature_of(Scheme scheme, std::string_view secret,
                                       std::string_view string_to_sign);

// In a time that does not depend on how much of the signature matches.
[[nodiscard]] bool is_signed_with(const Claim& claim, std::string_view secret);

}  // namespace blkrewind::serve
