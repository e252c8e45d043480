// 128-bit XXH3 digests keyed with the secret of a store and bound to a position.
//
// A digest detects accidents: bit rot, torn and misdirected writes, the bytes of another chunk or
// of another store. It is not a MAC: a user who can read the secret (the format file, mode 0600)
// can forge digests.
//
// XXH3 with a seed ignores the seed for inputs over 240 bytes when a secret is given, so the
// position is bound by a second hash over (hash of the bytes, domain, position, length).
//
// Pure functions; safe from any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace blkrewind {

inline constexpr std::size_t kDigestSecretBytes = 192;
using DigestSecret = std::array<std::byte, kDigestSecretBytes>;

// All zero: the digest of an all-zero chunk or subtree, which is never hashed.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  [[nodiscard]] constexpr bool is_zero() const { return low == 0 && high == 0; }
  friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
};
static_assert(sizeof(Digest) == 16);

// What is digested; prevents the digest of a chunk from being accepted for a node.
enum class DigestDomain : std::uint32_t {
  kChunk = 1,
  kNode = 2,
  kRoot = 3,
  kRow = 4,
  kRequest = 5
};

// `position`: the chunk index, or the node's index in its level; `level`: 0 for chunks. Of a row of
// the catalog: 0, and the kind of its table. Of a request: 0 and 0.
[[nodiscard]] Digest digest_of(const DigestSecret& secret, std::span<const std::byte> bytes,
                               DigestDomain domain, std::uint32_t level, std::uint64_t position);

// XXH3-64 keyed with the secret: the checksum of structures (nodes, records of logs).
[[nodiscard]] std::uint64_t checksum_of(const DigestSecret& secret,
                                        std::span<const std::byte> bytes);
// XXH3-64 without a secret: for the format file, which contains the secret.
[[nodiscard]] std::uint64_t plain_checksum_of(std::span<const std::byte> bytes);

[[nodiscard]] bool is_all_zero(std::span<const std::byte> bytes);

// 32 hexadecimal digits, high half first.
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace blkrewind
