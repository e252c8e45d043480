// A request as received, and the limits on its size.
//
// Plain values: the reader of the socket fills a RawRequest; nothing in it is decoded, trimmed or
// merged, because signatures cover the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace blkrewind::serve {

struct RawRequest {
  std::string method;
  std::string target;                                        // as in the request line
  std::vector<std::pair<std::string, std::string>> headers;  // in order, names as received
  std::string body;                                          // without transfer coding
};

// Of an answer.
enum class Format : std::uint8_t { kXml, kJson };

// Larger requests are refused with a clear error before anything is decoded.
inline constexpr std::size_t kTargetBytesMax = 8192;
inline constexpr std::size_t kBodyBytesMax = 8192;
inline constexpr std::size_t kHeadersMax = 64;
inline constexpr std::size_t kHeaderBytesMax = 8192;  // name and value of one header
// Decoded parameters, of query and form together.
inline constexpr std::size_t kParametersMax = 200;
inline constexpr std::size_t kKeyBytesMax = 128;
inline constexpr std::size_t kValueBytesMax = 4096;

}  // namespace blkrewind::serve
