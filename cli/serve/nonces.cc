#include "cli/serve/nonces.h"

#include <cstring>
#include <string>

#include "cli/serve/timestamp.h"

namespace blkrewind::serve {
namespace {

// The id's length keeps apart what would read the same with one byte moved from id to nonce.
Sha256 fingerprint(std::string_view access_key_id, std::string_view nonce) {
  std::string text = std::to_string(access_key_id.size()) + ":";
  text += access_key_id;
  text += nonce;
  return sha256(text);
}

}  // namespace

std::size_t Nonces::Hash::operator()(const Sha256& digest) const {
  std::size_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

void Nonces::forget(std::int64_t now) {
  while (!by_timestamp_.empty()) {
    const auto oldest = by_timestamp_.begin();
    if (oldest->first + kTimestampWindowSeconds >= now) return;
    for (const Sha256& digest : oldest->second) used_.erase(digest);
    forgotten_until_ = oldest->first;
    by_timestamp_.erase(oldest);
  }
}

Nonces::Verdict Nonces::use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, std::int64_t now) {
  const Sha256 digest = fingerprint(access_key_id, nonce);
  const std::scoped_lock lock(mutex_);
  forget(now);
  if (used_.contains(digest)) return Verdict::kUsed;
  if (timestamp <= forgotten_until_) return Verdict::kExpired;
  if (used_.size() >= count_max_) return Verdict::kFull;
  used_.insert(digest);
  by_timestamp_[timestamp].push_back(digest);
  return Verdict::kFresh;
}

}  // namespace blkrewind::serve
