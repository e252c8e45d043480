// Makes bytes pass the checksums: the fixed secret, corrected checksums, and the reaction to a
// violated property.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/digest.h"
#include "format/store_header.h"

namespace blkrewind::fuzz {

inline constexpr std::size_t kBlock = 4096;

[[nodiscard]] inline DigestSecret fixed_secret() {
  DigestSecret secret;
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (std::byte& byte : secret) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  return secret;
}

[[nodiscard]] inline format::StoreUuid fixed_uuid() {
  format::StoreUuid uuid;
  uuid.fill(std::byte{0x5a});
  return uuid;
}

inline void expect(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", property);
  std::abort();
}

[[nodiscard]] inline std::array<std::byte, kBlock> one_block(std::span<const std::byte> input) {
  std::array<std::byte, kBlock> block{};
  std::memcpy(block.data(), input.data(), std::min(input.size(), kBlock));
  return block;
}

template <class T>
[[nodiscard]] T value_at(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <class T>
void put_at(std::span<std::byte> bytes, std::size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// Corrects the checksum at `offset`, which covers all of the bytes with itself zero.
inline void seal(std::span<std::byte> bytes, std::size_t offset, auto checksum) {
  put_at(bytes, offset, std::uint64_t{0});
  put_at(bytes, offset, std::uint64_t{checksum(std::span<const std::byte>(bytes))});
}

inline void seal_keyed(std::span<std::byte> bytes, std::size_t offset) {
  static const DigestSecret kSecret = fixed_secret();
  seal(bytes, offset, [](std::span<const std::byte> all) { return checksum_of(kSecret, all); });
}

// Fields that decoding does not keep, or that are derived from the others.
struct Ignored {
  std::size_t begin;
  std::size_t end;
};

[[nodiscard]] inline bool same_but(std::span<const std::byte> a, std::span<const std::byte> b,
                                   std::initializer_list<Ignored> ignored) {
  if (a.size() != b.size()) return false;
  std::size_t at = 0;
  for (const Ignored& field : ignored) {
    if (std::memcmp(a.data() + at, b.data() + at, field.begin - at) != 0) return false;
    at = field.end;
  }
  return at == a.size() || std::memcmp(a.data() + at, b.data() + at, a.size() - at) == 0;
}

}  // namespace blkrewind::fuzz
