// Used nonces: each is valid for one request of its access key.
//
// An entry is kept as long as its request's timestamp can be valid, measured by a clock that cannot
// be set, and is never dropped earlier: if the memory is full, new requests are refused. The
// timestamps of dropped entries are kept as ranges, so that setting the wall clock back does not
// allow replays, and a clock that was ahead does not lock clients out once it is corrected. Entries
// exist in this process only.
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
    kExpired,  // as old as an entry that was dropped
    kFull,     // no space until older entries expire
  };

  // About 50 bytes per entry, whatever the length of the nonce.
  explicit Nonces(std::size_t count_max);

  struct Now {
    std::int64_t wall = 0;    // seconds since the epoch
    std::int64_t steady = 0;  // seconds of a clock that cannot be set
  };
  // `timestamp` is the request's, in seconds since the epoch.
  [[nodiscard]] Verdict use(std::string_view access_key_id, std::string_view nonce,
                            std::int64_t timestamp, const Now& now);

 private:
  // 64 bits, keyed with a secret of this object: two of 300,000 nonces collide once in 10^8 full
  // tables, and no client can search for a collision.
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
