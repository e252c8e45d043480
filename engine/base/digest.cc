#include "base/digest.h"

#include <cstdio>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

namespace blkrewind {
namespace {

// xxHash selects the widest vector instructions of this processor at run time.
XXH128_hash_t hash128(const DigestSecret& secret, const void* data, std::size_t size) {
#if defined(__x86_64__)
  return XXH3_128bits_withSecret_dispatch(data, size, secret.data(), secret.size());
#else
  return XXH3_128bits_withSecret(data, size, secret.data(), secret.size());
#endif
}

struct Binding {
  std::uint64_t low;
  std::uint64_t high;
  std::uint64_t position;
  std::uint64_t length_bytes;
  std::uint32_t domain;
  std::uint32_t level;
};
static_assert(sizeof(Binding) == 40 && std::has_unique_object_representations_v<Binding>);

}  // namespace

Digest digest_of(const DigestSecret& secret, std::span<const std::byte> bytes, DigestDomain domain,
                 std::uint32_t level, std::uint64_t position) {
  const XXH128_hash_t content = hash128(secret, bytes.data(), bytes.size());
  const Binding binding{
      content.low64, content.high64, position, bytes.size(), static_cast<std::uint32_t>(domain),
      level};
  const XXH128_hash_t bound = hash128(secret, &binding, sizeof binding);
  Digest digest{bound.low64, bound.high64};
  // A zero digest means "all zero", so one value in 2^128 is replaced.
  if (digest.is_zero()) digest.low = 1;
  return digest;
}

std::uint64_t checksum_of(const DigestSecret& secret, std::span<const std::byte> bytes) {
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), secret.data(), secret.size());
}

std::uint64_t plain_checksum_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

bool is_all_zero(std::span<const std::byte> bytes) {
  // Comparing the buffer with itself shifted by one word is a memcmp; for most data that is not
  // zero it ends at the first word.
  constexpr std::size_t kHead = 16;
  const std::size_t head = bytes.size() < kHead ? bytes.size() : kHead;
  for (std::size_t i = 0; i < head; ++i) {
    if (bytes[i] != std::byte{0}) return false;
  }
  if (bytes.size() <= kHead) return true;
  return std::memcmp(bytes.data(), bytes.data() + kHead, bytes.size() - kHead) == 0;
}

std::string to_hex(const Digest& digest) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(digest.high),
                static_cast<unsigned long long>(digest.low));
  return text.data();
}

}  // namespace blkrewind
