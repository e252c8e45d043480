// Nonces that were used: each is good for one request of its access key.
//
// An entry lives as long as its request's timestamp can still be valid, counted by a clock that is
// never set, and is never forgotten sooner: a full memory refuses newcomers instead. The timestamps
// of what was forgotten are remembered as ranges, so that a wall clock that is set back opens no
// door to replays, and one that was ahead for a while keeps no client out once it is right. They
// live in this process only.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
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

  struct Now {
    std::int64_t wall = 0;    // seconds since the epoch
    std::int64_t steady = 0;  // seconds of a clock that is never set
  };
  // `timestamp` is the request's, in seconds since the epoch.
  [[nodiscard]] Verdict use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, const Now& now);

 private:
  // 64 bits under a secret of this object's: two of 300,000 nonces read the same once in 10^8 full
  // tables, and nobody can look for such a pair.
  using Fingerprint = std::uint64_t;

  [[nodiscard]] Fingerprint fingerprint(std::string_view access_key_id,
                                        std::string_view nonce) const;
  struct Entry {
    std::int64_t timestamp;
    Fingerprint nonce;
  };
  void forget(std::int64_t steady);
  void remember_as_forgotten(std::int64_t timestamp);
  [[nodiscard]] bool was_forgotten(std::int64_t timestamp) const;

  const std::size_t count_max_;
  const std::string secret_;
  std::mutex mutex_;
  std::unordered_set<Fingerprint> used_;
  std::map<std::int64_t, std::vector<Entry>> by_end_;  // of life, by the steady clock
  std::map<std::int64_t, std::int64_t> forgotten_;     // first -> last timestamp of a range
};

}  // namespace blkrewind::serve
