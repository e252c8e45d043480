// The results of all flips, in memory shared by the processes, and their totals.
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

// The bits of one byte with each result.
struct ByteResult {
  std::uint8_t bits[kOutcomes];
};

// The position of a process, in case it does not return.
struct Position {
  std::atomic<std::uint64_t> byte;  // of all bytes, in the order of the files
  std::atomic<unsigned> bit;
};

// "segments/4:4096:3", as accepted by --only.
[[nodiscard]] std::string name_of(const Golden& golden, const Flip& flip);
// File and offset for an index over all bytes.
[[nodiscard]] Flip place_of(const Golden& golden, std::uint64_t byte);
[[nodiscard]] std::uint64_t count_bytes(const Golden& golden);

// Totals for each file and region, the harmless ranges with their reasons, and the final line.
// Returns whether every flip was detected, or is harmless for a known reason.
[[nodiscard]] bool print_results(const Golden& golden, const std::vector<ByteResult>& results,
                                 std::ostream& out);

}  // namespace blkrewind::flips
