#include "cli/serve/nonces.h"

#include <openssl/rand.h>

#include <cstring>

#include "cli/serve/digests.h"
#include "cli/serve/timestamp.h"

namespace blkrewind::serve {
namespace {

std::string random_secret() {
  std::string secret(32, '\0');
  // Fails only where the system has no randomness at all; then pairs could be looked for.
  static_cast<void>(
      RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())));
  return secret;
}

}  // namespace

Nonces::Nonces(std::size_t count_max) : count_max_(count_max), secret_(random_secret()) {}

// The id's length keeps apart what would read the same with one byte moved from id to nonce.
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

void Nonces::forget(std::int64_t now) {
  while (!by_timestamp_.empty()) {
    const auto oldest = by_timestamp_.begin();
    if (oldest->first + kTimestampWindowSeconds >= now) return;
    for (const Fingerprint used : oldest->second) used_.erase(used);
    forgotten_until_ = oldest->first;
    by_timestamp_.erase(oldest);
  }
}

Nonces::Verdict Nonces::use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, std::int64_t now) {
  const Fingerprint wanted = fingerprint(access_key_id, nonce);
  const std::scoped_lock lock(mutex_);
  forget(now);
  if (used_.contains(wanted)) return Verdict::kUsed;
  if (timestamp <= forgotten_until_) return Verdict::kExpired;
  if (used_.size() >= count_max_) return Verdict::kFull;
  used_.insert(wanted);
  by_timestamp_[timestamp].push_back(wanted);
  return Verdict::kFresh;
}

}  // namespace blkrewind::serve
