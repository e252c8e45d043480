#include "cli/serve/nonces.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "cli/serve/digests.h"
#include "cli/serve/timestamp.h"

namespace blkrewind::serve {
namespace {

// Timestamps this close belong to one range, because clients send requests that often.
constexpr std::int64_t kRangeGapSeconds = 60;
constexpr std::size_t kRangesMax = 256;

std::string random_secret() {
  std::string secret(32, '\0');
  // Fails only if the system has no randomness at all; then collisions could be searched for.
  static_cast<void>(
      RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())));
  return secret;
}

}  // namespace

Nonces::Nonces(std::size_t count_max) : count_max_(count_max), secret_(random_secret()) {}

// The length of the id distinguishes pairs that would be equal after moving a byte from id to
// nonce.
Nonces::Fingerprint Nonces::fingerprint(std::string_view access_key_id,
                                        std::string_view nonce) const {
  std::string text = secret_ + std::to_string(access_key_id.size()) + ":";
  text += access_key_id;
  text += nonce;
  const Sha256 digest = sha256(text);
  Fingerprint value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

void Nonces::forget(std::int64_t steady) {
  while (!by_end_.empty()) {
    const auto oldest = by_end_.begin();
    if (oldest->first >= steady) return;
    for (const Entry& entry : oldest->second) {
      used_.erase(entry.nonce);
      remember_as_forgotten(entry.timestamp);
    }
    by_end_.erase(oldest);
  }
}

void Nonces::remember_as_forgotten(std::int64_t timestamp) {
  std::int64_t first = timestamp - kRangeGapSeconds;
  std::int64_t last = timestamp;
  // Merges it with the ranges that it is in or adjacent to.
  auto at = forgotten_.lower_bound(timestamp - kRangeGapSeconds);
  if (at != forgotten_.begin() && std::prev(at)->second >= timestamp - kRangeGapSeconds) --at;
  while (at != forgotten_.end() && at->first <= timestamp + kRangeGapSeconds) {
    first = std::min(first, at->first);
    last = std::max(last, at->second);
    at = forgotten_.erase(at);
  }
  forgotten_[first] = last;
  // The oldest two are closest to expiring.
  while (forgotten_.size() > kRangesMax) {
    const auto oldest = forgotten_.begin();
    const auto next = std::next(oldest);
    oldest->second = next->second;
    forgotten_.erase(next);
  }
}

bool Nonces::was_forgotten(std::int64_t timestamp) const {
  const auto after = forgotten_.upper_bound(timestamp);
  return after != forgotten_.begin() && std::prev(after)->second >= timestamp;
}

Nonces::Verdict Nonces::use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, const Now& now) {
  const Fingerprint wanted = fingerprint(access_key_id, nonce);
  const std::scoped_lock lock(mutex_);
  forget(now.steady);
  if (used_.contains(wanted)) return Verdict::kUsed;
  if (was_forgotten(timestamp)) return Verdict::kExpired;
  if (used_.size() >= count_max_) return Verdict::kFull;
  used_.insert(wanted);
  const std::int64_t valid_for = timestamp + kTimestampWindowSeconds - now.wall;
  by_end_[now.steady + valid_for].push_back({timestamp, wanted});
  return Verdict::kFresh;
}

}  // namespace blkrewind::serve
