#include "cli/serve/digests.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdio>
#include <cstdlib>

namespace blkrewind::serve {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void check_digest(bool made, unsigned length, std::size_t expected) {
  if (made && length == expected) return;
  std::fputs("blkrewind: OpenSSL cannot compute digests\n", stderr);
  std::abort();
}

template <class Digest>
Digest hmac(const EVP_MD* kind, std::string_view key, std::string_view text) {
  Digest digest;
  unsigned length = 0;
  const bool made = HMAC(kind, key.data(), static_cast<int>(key.size()), bytes_of(text),
                         text.size(), digest.data(), &length) != nullptr;
  check_digest(made, length, digest.size());
  return digest;
}

}  // namespace

Sha256 sha256(std::string_view text) {
  Sha256 digest;
  unsigned length = 0;
  const bool made =
      EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1;
  check_digest(made, length, digest.size());
  return digest;
}

Sha1 hmac_sha1(std::string_view key, std::string_view text) {
  return hmac<Sha1>(EVP_sha1(), key, text);
}

Sha256 hmac_sha256(std::string_view key, std::string_view text) {
  return hmac<Sha256>(EVP_sha256(), key, text);
}

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  // One more byte is written: a NUL, where the string has its own.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  return text;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace blkrewind::serve
