// The only source of randomness in the simulation: the same seed gives the same run, on every
// machine. (The standard distributions may differ between libraries.)
#pragma once

#include <cstdint>

namespace blkrewind::sim {

// SplitMix64 (Steele, Lea, Flood 2014). A value: copies continue independently from the same point.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  [[nodiscard]] std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  // 0 to `bound` - 1; `bound` is not 0. The bias of the remainder does not matter to a test.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  [[nodiscard]] bool percent(std::uint64_t chance) { return below(100) < chance; }

 private:
  std::uint64_t state_;
};

}  // namespace blkrewind::sim
