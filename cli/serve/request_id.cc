#include "cli/serve/request_id.h"

#include <openssl/rand.h>

#include <array>

namespace blkrewind::serve {

std::string new_request_id() {
  std::array<unsigned char, 16> bytes = {};
  // Fails only if the system has no randomness at all; an id need not be secret.
  static_cast<void>(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())));
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);  // RFC 4122: version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 0x0FU];
  }
  return text;
}

}  // namespace blkrewind::serve
