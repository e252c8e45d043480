// The digests used in signatures, by OpenSSL.
//
// Any thread; no state. They fail only if OpenSSL cannot run at all, which stops the program: no
// request could be authenticated.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace blkrewind::serve {

using Sha1 = std::array<std::uint8_t, 20>;
using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Sha256 sha256(std::string_view text);
[[nodiscard]] Sha1 hmac_sha1(std::string_view key, std::string_view text);
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view text);

// Lower case.
[[nodiscard]] std::string hex(std::span<const std::uint8_t> bytes);
// With padding.
[[nodiscard]] std::string base64(std::span<const std::uint8_t> bytes);

// Takes the same time wherever they differ, so that a signature cannot be guessed byte by byte.
// Only the lengths may be revealed.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace blkrewind::serve
