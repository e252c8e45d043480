#include "cli/serve/framing.h"

#include <algorithm>

#include "cli/serve/request.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kLengthDigitsMax = 18;  // fits 64 bits
constexpr std::size_t kChunkDigitsMax = 8;
constexpr int kBadRequest = 400;
constexpr int kContentTooLarge = 413;
constexpr int kExpectationFailed = 417;

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace

Framing::State Framing::refuse(int status) {
  status_ = status;
  return State::kRefused;
}

// True when the end is there, or when the head is refused.
bool Framing::find_head(std::string_view bytes) {
  for (; looked_ < bytes.size(); ++looked_) {
    const char c = bytes[looked_];
    const bool after_return = looked_ > 0 && bytes[looked_ - 1] == '\r';
    const bool alone = (c == '\n') != after_return;  // half of a CRLF
    if (alone || (is_control(c) && c != '\r' && c != '\n' && c != '\t')) {
      static_cast<void>(refuse(kBadRequest));
      return true;
    }
    if (bytes.substr(0, looked_ + 1).ends_with(kHeadEnd)) {
      head_bytes_ = looked_ + 1;
      return true;
    }
  }
  return false;
}

Framing::State Framing::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(kBadRequest);
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  if (!is_token(name)) return refuse(kBadRequest);  // also a continuation of the previous line
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (equal_ignoring_case(name, "transfer-encoding")) {
    if (is_chunked_ || has_length_ || !is_post_ || !equal_ignoring_case(value, "chunked")) {
      return refuse(kBadRequest);
    }
    is_chunked_ = true;
    return State::kIncomplete;
  }
  if (equal_ignoring_case(name, "expect")) return refuse(kExpectationFailed);
  if (equal_ignoring_case(name, "host")) {
    if (has_host_) return refuse(kBadRequest);
    has_host_ = true;
  }
  if (!equal_ignoring_case(name, "content-length")) return State::kIncomplete;
  if (has_length_ || is_chunked_ || !is_digits(value) || value.size() > kLengthDigitsMax) {
    return refuse(kBadRequest);
  }
  has_length_ = true;
  std::size_t length = 0;
  for (const char digit : value) length = length * 10 + static_cast<std::size_t>(digit - '0');
  if (ends_connection_ || length == 0) return State::kIncomplete;
  if (!is_post_) return refuse(kBadRequest);
  if (length > kBodyBytesMax) return refuse(kContentTooLarge);
  body_bytes_ = length;
  return State::kIncomplete;
}

// `head` with the CRLF of its last line.
Framing::State Framing::read_head(std::string_view head) {
  bool first = true;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (!first) {
      if (read_header(line) == State::kRefused) return State::kRefused;
      continue;
    }
    first = false;
    const std::size_t one = line.find(' ');
    const std::size_t two = line.find(' ', one == std::string_view::npos ? one : one + 1);
    if (two == std::string_view::npos) return refuse(kBadRequest);
    const std::string_view method = line.substr(0, one);
    const std::string_view target = line.substr(one + 1, two - one - 1);
    const std::string_view version = line.substr(two + 1);
    if (!is_token(method) || target.empty() || target.find('\t') != std::string_view::npos ||
        (version != "HTTP/1.1" && version != "HTTP/1.0")) {
      return refuse(kBadRequest);
    }
    is_post_ = method == "POST";
    ends_connection_ = !is_post_ && method != "GET";
  }
  return State::kIncomplete;
}

// RFC 9112, 7.1, without extensions and trailers, which no client of the API sends.
Framing::State Framing::find_last_chunk(std::string_view bytes) {
  std::size_t at = head_bytes_;
  while (true) {
    if (at - head_bytes_ > kBodyBytesMax) return refuse(kContentTooLarge);
    const std::size_t digits = bytes.find_first_not_of("0123456789abcdefABCDEF", at);
    const std::size_t end = std::min(digits, bytes.size());
    if (end - at > kChunkDigitsMax) return refuse(kBadRequest);
    if (digits != std::string_view::npos && (end == at || bytes[end] != '\r')) {
      return refuse(kBadRequest);
    }
    if (bytes.size() < end + 2) return State::kIncomplete;
    if (bytes[end + 1] != '\n') return refuse(kBadRequest);
    std::size_t length = 0;
    for (const char c : bytes.substr(at, end - at)) {
      const int low = c | 0x20;
      length = length * 16 + static_cast<std::size_t>(c <= '9' ? c - '0' : low - 'a' + 10);
    }
    if (length > kBodyBytesMax) return refuse(kContentTooLarge);
    at = end + 2 + length;
    if (bytes.size() < at + 2) return State::kIncomplete;
    if (bytes.substr(at, 2) != "\r\n") return refuse(kBadRequest);
    at += 2;
    if (length == 0) break;
  }
  body_bytes_ = at - head_bytes_;
  return State::kComplete;
}

Framing::State Framing::look(std::string_view bytes) {
  if (status_ != 0) return State::kRefused;
  if (head_bytes_ == 0) {
    if (!find_head(bytes)) return State::kIncomplete;
    if (status_ != 0) return State::kRefused;
    const std::string_view head = bytes.substr(0, head_bytes_ - 2);
    if (read_head(head) == State::kRefused) return State::kRefused;
  }
  if (is_chunked_ && body_bytes_ == 0) return find_last_chunk(bytes);
  return bytes.size() >= length_bytes() ? State::kComplete : State::kIncomplete;
}

}  // namespace blkrewind::serve
