// Converts a row of malformed_table.h to the bytes sent over a connection, and those to a
// RawRequest.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <string_view>

#include "support/request_signer.h"

namespace blkrewind::serve {

// The values of the placeholders of a row.
struct Surroundings {
  std::string host = "127.0.0.1:8080";
  std::time_t now = 0;
  std::string access_key_id = "testid";
  std::string secret = "testsecret";
};

inline void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// `text` with the first `from`, which must be there, replaced.
inline std::string swapped(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

// Not an HTTP parser: only for well-formed input.
inline RawRequest parse_raw(const std::string& raw) {
  RawRequest request;
  const std::size_t line_end = raw.find("\r\n");
  const std::size_t head_end = raw.find("\r\n\r\n");
  const std::size_t first = raw.find(' ');
  const std::size_t last = raw.rfind(' ', line_end);
  request.method = raw.substr(0, first);
  request.target = raw.substr(first + 1, last - first - 1);
  for (std::size_t at = line_end + 2; at < head_end;) {
    const std::size_t end = raw.find("\r\n", at);
    const std::string line = raw.substr(at, end - at);
    const std::size_t colon = line.find(':');
    std::string value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    request.headers.emplace_back(line.substr(0, colon), value);
    at = end + 2;
  }
  request.body = raw.substr(head_end + 4);
  return request;
}

inline std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size();
    result += escape ? static_cast<char>(std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16))
                     : text[i];
    if (escape) i += 2;
  }
  return result;
}

inline test::Pairs pairs_of(const std::string& text) {
  test::Pairs pairs;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string one = text.substr(at, end - at);
    const std::size_t equals = std::min(one.find('='), one.size());
    const std::string key = unescaped(one.substr(0, equals));
    if (!one.empty()) {
      pairs.emplace_back(key, equals < one.size() ? unescaped(one.substr(equals + 1)) : "");
    }
    at = end + 1;
  }
  return pairs;
}

inline test::Pairs query_pairs_of(const RawRequest& request) {
  const std::size_t mark = request.target.find('?');
  return mark == std::string::npos ? test::Pairs{} : pairs_of(request.target.substr(mark + 1));
}

inline std::string v1_signature_of(const RawRequest& request, const std::string& secret) {
  test::Pairs all = query_pairs_of(request);
  for (const auto& pair : pairs_of(request.body)) all.push_back(pair);
  std::erase_if(all, [](const auto& pair) { return pair.first == "Signature"; });
  return test::v1_signature(request.method, all, secret);
}

// Of the headers that its Authorization names, if present.
inline std::string v3_signature_of(const RawRequest& request, const std::string& secret) {
  std::string names = ";";
  for (const auto& [name, value] : request.headers) {
    const std::size_t begin = value.find("SignedHeaders=");
    if (begin == std::string::npos) continue;
    names += value.substr(begin + 14, value.find(',', begin) - begin - 14) + ";";
  }
  std::map<std::string, std::string> headers;
  for (auto [name, value] : request.headers) {
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    if (names.find(";" + name + ";") != std::string::npos) headers[name] = value;
  }
  return test::v3_signature(request.method, query_pairs_of(request), headers, request.body, secret);
}

// {host} {id}; {now}, {past} and {future} in the API's time format; {nonce}, new for each call;
// {length} and {hash} of the body; {sign1} and {sign3}, the valid signature of the request.
inline std::string expand(std::string raw, const Surroundings& around) {
  static int calls = 0;
  replace_all(raw, "{host}", around.host);
  replace_all(raw, "{id}", around.access_key_id);
  replace_all(raw, "{now}", test::utc_text(around.now));
  replace_all(raw, "{past}", test::utc_text(around.now - 960));
  replace_all(raw, "{future}", test::utc_text(around.now + 960));
  replace_all(raw, "{nonce}", "row-" + std::to_string(around.now) + "-" + std::to_string(++calls));
  const std::string body = raw.substr(std::min(raw.find("\r\n\r\n"), raw.size() - 4) + 4);
  replace_all(raw, "{length}", std::to_string(body.size()));
  replace_all(raw, "{hash}", test::as_hex(test::digest_bytes(EVP_sha256(), body)));
  if (raw.find("{sign1}") != std::string::npos) {
    replace_all(raw, "{sign1}", test::escaped(v1_signature_of(parse_raw(raw), around.secret)));
  }
  if (raw.find("{sign3}") != std::string::npos) {
    replace_all(raw, "{sign3}", v3_signature_of(parse_raw(raw), around.secret));
  }
  return raw;
}

}  // namespace blkrewind::serve
