#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace blkrewind {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kRandomCharacters = 18;

// Requests up to 256 bytes are returned in full once the kernel's pool is ready (getrandom(2)), and
// every kernel with io_uring has the call. An id that is not random could name two objects: stop
// instead.
template <std::size_t N>
void fill_random(std::array<std::uint8_t, N>& bytes) {
  static_assert(N <= 256);
  for (;;) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got == static_cast<ssize_t>(bytes.size())) return;
    if (got < 0 && errno != EINTR) {
      std::perror("blkrewind: getrandom");
      std::abort();
    }
  }
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// C0, DEL and C1 controls, the line and paragraph separators, and the bidirectional overrides,
// which would make a listing show something else than what is there.
bool is_unprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

}  // namespace

std::string new_id(std::string_view prefix) {
  std::string id(prefix);
  std::size_t added = 0;
  while (added < kRandomCharacters) {
    std::array<std::uint8_t, 32> bytes{};
    fill_random(bytes);
    for (const std::uint8_t byte : bytes) {
      // 252 is the largest multiple of 36 in a byte: bytes above it would favour the first letters.
      if (added == kRandomCharacters) break;
      if (byte >= 252) continue;
      id.push_back(kAlphabet[byte % kAlphabet.size()]);
      ++added;
    }
  }
  return id;
}

std::string new_id(std::string_view prefix, std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                                          static_cast<int>(kAlphabet.size()));
  (void)error;  // 36^7 is above 2^32
  return new_id(prefix).append(digits.data(), end);
}

std::uint32_t number_in_id(std::string_view prefix, std::string_view id) {
  if (!id.starts_with(prefix)) return 0;
  id.remove_prefix(prefix.size());
  if (id.size() <= kRandomCharacters) return 0;
  id.remove_prefix(kRandomCharacters);
  std::uint32_t number = 0;
  const auto [end, error] =
      std::from_chars(id.data(), id.data() + id.size(), number, static_cast<int>(kAlphabet.size()));
  return error == std::errc{} && end == id.data() + id.size() ? number : 0;
}

std::string new_request_id() {
  std::array<std::uint8_t, 16> bytes{};
  fill_random(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);  // version 4
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);  // variant of RFC 4122
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 0x0F]);
  }
  return text;
}

bool looks_like_id(std::string_view prefix, std::string_view text) {
  return text.starts_with(prefix);
}

bool is_valid_id(std::string_view prefix, std::string_view text) {
  if (!looks_like_id(prefix, text) || text.size() == prefix.size() || text.size() > kMaxIdBytes) {
    return false;
  }
  for (const char c : text.substr(prefix.size())) {
    if (!is_letter_or_digit(c)) return false;
  }
  return true;
}

bool is_printable_text(std::string_view text, std::size_t max_bytes) {
  if (text.empty() || text.size() > max_bytes) return false;
  while (!text.empty()) {
    const auto character = take_character(text);
    if (!character || is_unprintable(*character)) return false;
  }
  return true;
}

bool is_valid_snapshot_name(std::string_view name) {
  if (!is_printable_text(name, kMaxNameBytes) || name == "latest") return false;
  if (name.front() == ' ' || name.back() == ' ') return false;
  if (name.find('/') != std::string_view::npos) return false;
  for (const std::string_view prefix : {"s-", "d-", "i-"}) {
    if (looks_like_id(prefix, name)) return false;
  }
  return true;
}

std::string_view snapshot_name_rule() {
  return "use 1 to 128 bytes of printable text without '/', not \"latest\", and not starting with "
         "\"s-\", \"d-\" or \"i-\"";
}

}  // namespace blkrewind
