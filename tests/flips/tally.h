// The results of all flips, in memory that processes share, and their sums.
#pragma once

#include <atomic>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "flips/golden.h"
#include "flips/judge.h"

namespace blkrewind::flips {

inline constexpr std::size_t kOutcomes = 5;

// The bits of one byte that came out in each way.
struct ByteResult {
  std::uint8_t bits[kOutcomes];
};

// Where a process is, for when it does not come back.
struct Position {
  std::atomic<std::uint64_t> byte;  // of all bytes, in the order of the files
  std::atomic<unsigned> bit;
};

// "segments/4:4096:3", as --only takes it.
[[nodiscard]] std::string name_of(const Golden& golden, const Flip& flip);
// The file and offset of one of all bytes.
[[nodiscard]] Flip place_of(const Golden& golden, std::uint64_t byte);
[[nodiscard]] std::uint64_t count_bytes(const Golden& golden);

// Totals of each file and region, the harmless ranges with their reasons, and the closing line.
// Returns whether every flip was detected, or harmless where that is explained.
[[nodiscard]] bool print_results(const Golden& golden, const std::vector<ByteResult>& results,
                                 std::ostream& out);

}  // namespace blkrewind::flips
