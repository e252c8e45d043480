// Signs requests as the API's clients do, independently of the code that checks signatures: its own
// encoder, its own canonical order, HMAC by RFC 2104, base64. Only the plain digests are OpenSSL's.
// Header-only, so that other tests need no OpenSSL.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/serve/request.h"

namespace blkrewind::test {

// In the order in which they go over the wire.
using Pairs = std::vector<std::pair<std::string, std::string>>;

inline std::string digest_bytes(const EVP_MD* kind, const std::string& text) {
  std::string digest(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             kind, nullptr);
  return digest;
}

inline std::string hmac_bytes(const EVP_MD* kind, std::string key, const std::string& text) {
  if (key.size() > 64) key = digest_bytes(kind, key);
  key.resize(64, '\0');
  std::string inner = key;
  std::string outer = key;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  return digest_bytes(kind, outer + digest_bytes(kind, inner + text));
}

inline std::string as_hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += two;
  }
  return text;
}

inline std::string as_base64(const std::string& bytes) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  unsigned held = 0;
  int bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) text += digits[held >> (bits - 6) & 63];
  }
  if (bits > 0) text += digits[held << (6 - bits) & 63];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

inline std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 &&
        (std::isalnum(byte) != 0 || std::string("-._~").find(c) != std::string::npos)) {
      result += c;
      continue;
    }
    char three[4];
    std::snprintf(three, sizeof three, "%%%02X", static_cast<unsigned>(byte));
    result += three;
  }
  return result;
}

inline std::string joined(const Pairs& pairs) {
  std::string text;
  for (const auto& [key, value] : pairs) {
    text += (text.empty() ? "" : "&") + escaped(key) + "=" + escaped(value);
  }
  return text;
}

inline std::string utc_text(std::time_t seconds) {
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// `all`: query and form, without Signature.
inline std::string v1_signature(const std::string& method, const Pairs& all,
                                const std::string& secret) {
  const std::map<std::string, std::string> sorted(all.begin(), all.end());
  const std::string text =
      method + "&" + escaped("/") + "&" + escaped(joined({sorted.begin(), sorted.end()}));
  return as_base64(hmac_bytes(EVP_sha1(), secret + "&", text));
}

// `headers` by their names in lower case: the signed ones. Bare: an empty value without "=".
inline std::string v3_signature(const std::string& method, const Pairs& query,
                                const std::map<std::string, std::string>& headers,
                                const std::string& body, const std::string& secret,
                                bool bare = false) {
  std::string text = method + "\n/\n";
  std::map<std::string, std::string> sorted(query.begin(), query.end());
  std::string separator;
  for (const auto& [key, value] : sorted) {
    text += separator + escaped(key);
    if (!bare || !value.empty()) text += "=" + escaped(value);
    separator = "&";
  }
  text += "\n";
  std::string names;
  for (const auto& [name, value] : headers) {
    text += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  text += "\n" + names + "\n" + as_hex(digest_bytes(EVP_sha256(), body));
  text = "ACS3-HMAC-SHA256\n" + as_hex(digest_bytes(EVP_sha256(), text));
  return as_hex(hmac_bytes(EVP_sha256(), secret, text));
}

// For one access key; every request gets a new nonce.
struct Signer {
  std::string access_key_id = "testid";
  std::string secret = "testsecret";
  std::string host = "127.0.0.1:8080";
  std::string version = "2014-05-26";
  std::time_t now = 0;
  bool bare_empty_values = false;  // V3, as some clients write them
  int requests = 0;

  std::string nonce() { return "nonce-" + std::to_string(++requests); }

  // The common parameters go into the query, or into the form if there is one. `query` and `form`
  // may override them.
  serve::RawRequest v1(const std::string& method, const std::string& action, Pairs query = {},
                       Pairs form = {}) {
    const Pairs common = {{"Action", action},           {"AccessKeyId", access_key_id},
                          {"Format", "JSON"},           {"SignatureMethod", "HMAC-SHA1"},
                          {"SignatureNonce", nonce()},  {"SignatureVersion", "1.0"},
                          {"Timestamp", utc_text(now)}, {"Version", version}};
    Pairs all = query;
    all.insert(all.end(), form.begin(), form.end());
    Pairs& place = form.empty() ? query : form;
    for (const auto& pair : common) {
      const bool replaced =
          std::ranges::any_of(all, [&](const auto& one) { return one.first == pair.first; });
      if (!replaced) place.push_back(pair);
    }
    all = query;
    all.insert(all.end(), form.begin(), form.end());
    place.emplace_back("Signature", v1_signature(method, all, secret));
    serve::RawRequest request{method, "/?" + joined(query), {{"Host", host}}, joined(form)};
    if (!form.empty()) {
      request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    }
    return request;
  }

  // `extra`: additional headers, signed as well.
  serve::RawRequest v3(const std::string& method, const std::string& action,
                       const Pairs& query = {}, const Pairs& form = {}, const Pairs& extra = {}) {
    const std::string body = joined(form);
    std::map<std::string, std::string> headers = {
        {"host", host},
        {"x-acs-action", action},
        {"x-acs-content-sha256", as_hex(digest_bytes(EVP_sha256(), body))},
        {"x-acs-date", utc_text(now)},
        {"x-acs-signature-nonce", nonce()},
        {"x-acs-version", version}};
    if (!form.empty()) headers["content-type"] = "application/x-www-form-urlencoded";
    for (const auto& [name, value] : extra) headers[name] = value;
    serve::RawRequest request{method, "/?" + joined(query), {}, body};
    std::string names;
    for (const auto& header : headers) {
      request.headers.push_back(header);
      names += (names.empty() ? "" : ";") + header.first;
    }
    request.headers.emplace_back("user-agent", "test");
    request.headers.emplace_back(
        "Authorization",
        "ACS3-HMAC-SHA256 Credential=" + access_key_id + ",SignedHeaders=" + names +
            ",Signature=" + v3_signature(method, query, headers, body, secret, bare_empty_values));
    return request;
  }
};

}  // namespace blkrewind::test
