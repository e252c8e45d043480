// Nonces that were used: each is good for one request of its access key.
//
// An entry lives as long as its request's timestamp can still be valid, and is never forgotten
// sooner: a full memory refuses newcomers instead. What was forgotten is remembered as one moment,
// so that a clock that is set back opens no door to replays. They live in this process only.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace blkrewind::serve {

class Nonces {
 public:
  enum class Verdict : std::uint8_t {
    kFresh,    // and used from now on
    kUsed,     // before, by the same access key
    kExpired,  // as old as what has been forgotten already
    kFull,     // no room until older entries expire
  };

  // About 50 bytes an entry, whatever the length of the nonce.
  explicit Nonces(std::size_t count_max);

  // `timestamp` is the request's, `now` the clock's, both in seconds since the epoch.
  [[nodiscard]] Verdict use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, std::int64_t now);

 private:
  // 64 bits under a secret of this object's: two of 300,000 nonces read the same once in 10^8 full
  // tables, and nobody can look for such a pair.
  using Fingerprint = std::uint64_t;

  [[nodiscard]] Fingerprint fingerprint(std::string_view access_key_id,
                                        std::string_view nonce) const;
  void forget(std::int64_t now);

  const std::size_t count_max_;
  const std::string secret_;
  std::mutex mutex_;
  std::unordered_set<Fingerprint> used_;
  std::map<std::int64_t, std::vector<Fingerprint>> by_timestamp_;
  std::int64_t forgotten_until_ = std::numeric_limits<std::int64_t>::min();  // a timestamp
};

}  // namespace blkrewind::serve
