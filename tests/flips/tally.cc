#include "flips/tally.h"

#include <array>
#include <bit>
#include <iomanip>
#include <map>
#include <utility>

namespace blkrewind::flips {
namespace {

constexpr auto kRefused = static_cast<std::size_t>(Outcome::kRefused);
constexpr auto kFound = static_cast<std::size_t>(Outcome::kFound);
constexpr auto kHarmless = static_cast<std::size_t>(Outcome::kHarmless);
constexpr auto kOtherAnswer = static_cast<std::size_t>(Outcome::kOtherAnswer);
constexpr auto kHarmful = static_cast<std::size_t>(Outcome::kHarmful);

using Counts = std::array<std::uint64_t, kOutcomes>;

bool is_catalog(Region region) {
  return region == Region::kCatalog || region == Region::kCatalogOfToday;
}

std::uint64_t sum(const Counts& counts) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : counts) all += count;
  return all;
}

// A run of bytes of one region, all with harmless bits.
struct Run {
  std::size_t file = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  Region region = Region::kFormat;
  std::uint64_t bits = 0;
};

class Sums {
 public:
  void add(std::size_t file, std::uint64_t byte, Region region, const ByteResult& result) {
    Counts& here = counts_[{file, region}];
    for (std::size_t i = 0; i < kOutcomes; ++i) here[i] += count(result, i);
    extend(harmless_, file, byte, region, count(result, kHarmless));
    extend(other_answers_, file, byte, region, count(result, kOtherAnswer));
  }

  [[nodiscard]] static unsigned count(const ByteResult& result, std::size_t outcome) {
    return static_cast<unsigned>(std::popcount(result.bits[outcome]));
  }
  [[nodiscard]] const auto& counts() const { return counts_; }
  [[nodiscard]] const std::vector<Run>& harmless() const { return harmless_; }
  [[nodiscard]] const std::vector<Run>& other_answers() const { return other_answers_; }

 private:
  static void extend(std::vector<Run>& runs, std::size_t file, std::uint64_t byte, Region region,
                     unsigned bits) {
    if (bits == 0) return;
    if (runs.empty() || runs.back().file != file || runs.back().end != byte ||
        runs.back().region != region) {
      runs.push_back({file, byte, byte, region, 0});
    }
    runs.back().end = byte + 1;
    runs.back().bits += bits;
  }

  std::map<std::pair<std::size_t, Region>, Counts> counts_;
  std::vector<Run> harmless_;
  std::vector<Run> other_answers_;
};

void print_line(std::ostream& out, const std::string& file, const std::string& region,
                const Counts& counts) {
  out << std::left << std::setw(18) << file << std::setw(16) << region << std::right
      << std::setw(10) << sum(counts) << std::setw(10) << counts[kRefused] << std::setw(10)
      << counts[kFound] << std::setw(10) << counts[kHarmless] << std::setw(10)
      << counts[kOtherAnswer] << std::setw(10) << counts[kHarmful] << '\n';
}

void print_run(const Golden& golden, const Run& run, const char* why, std::ostream& out) {
  out << "  " << std::left << std::setw(18) << golden.files[run.file].name << std::right
      << std::setw(6) << run.begin << " - " << std::left << std::setw(6) << run.end - 1
      << std::setw(15) << text_of(run.region).name << std::right << std::setw(6) << run.bits
      << " bits: " << why << '\n';
}

void print_runs(const Golden& golden, const Sums& sums, std::ostream& out) {
  out << "\nharmless, and why\n";
  for (const Run& run : sums.harmless()) {
    if (is_catalog(run.region)) continue;  // by far too many
    const char* reason = text_of(run.region).harmless_because;
    print_run(golden, run, reason != nullptr ? reason : "NOT EXPLAINED", out);
  }
  if (!sums.other_answers().empty()) out << "\nanother answer\n";
  for (const Run& run : sums.other_answers()) {
    print_run(golden, run, "a row's own bytes, which SQLite does not check", out);
  }
}

void print_catalog(const char* name, const Counts& counts, std::ostream& out) {
  out << name << ": " << sum(counts) << " bits flipped: " << counts[kRefused] << " refused, "
      << counts[kHarmless] << " harmless, " << counts[kOtherAnswer]
      << " answered otherwise about instances, " << counts[kHarmful] << " harmful\n";
}

}  // namespace

std::string name_of(const Golden& golden, const Flip& flip) {
  return golden.files[flip.file].name + ":" + std::to_string(flip.byte) + ":" +
         std::to_string(flip.bit);
}

Flip place_of(const Golden& golden, std::uint64_t byte) {
  Flip flip;
  while (byte >= golden.files[flip.file].bytes.size()) {
    byte -= golden.files[flip.file].bytes.size();
    ++flip.file;
  }
  flip.byte = byte;
  return flip;
}

std::uint64_t count_bytes(const Golden& golden) {
  std::uint64_t bytes = 0;
  for (const GoldenFile& file : golden.files) bytes += file.bytes.size();
  return bytes;
}

bool print_results(const Golden& golden, const std::vector<ByteResult>& results,
                   std::ostream& out) {
  Sums sums;
  std::uint64_t wrong = 0;
  std::uint64_t unexplained = 0;
  for (std::uint64_t byte = 0; byte < results.size(); ++byte) {
    const Flip at = place_of(golden, byte);
    const Region region = golden.files[at.file].regions[at.byte];
    sums.add(at.file, at.byte, region, results[byte]);
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      if (!is_right(region, static_cast<Outcome>(i))) wrong += Sums::count(results[byte], i);
    }
    if (text_of(region).harmless_because == nullptr) {
      unexplained += Sums::count(results[byte], kHarmless);
    }
  }
  out << std::left << std::setw(18) << "file" << std::setw(16) << "region" << std::right
      << std::setw(10) << "flips" << std::setw(10) << "refused" << std::setw(10) << "found"
      << std::setw(10) << "harmless" << std::setw(10) << "other" << std::setw(10) << "harmful"
      << '\n';
  std::map<Region, Counts> by_region;
  Counts store{};
  for (const auto& [where, counts] : sums.counts()) {
    print_line(out, golden.files[where.first].name, text_of(where.second).name, counts);
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      by_region[where.second][i] += counts[i];
      if (!is_catalog(where.second)) store[i] += counts[i];
    }
  }
  out << '\n';
  for (const auto& [region, counts] : by_region) {
    print_line(out, "all", text_of(region).name, counts);
  }
  print_runs(golden, sums, out);

  out << '\n';
  print_catalog(kCatalogName, by_region[Region::kCatalog], out);
  print_catalog(kCatalogOfTodayName, by_region[Region::kCatalogOfToday], out);
  out << "the store: " << sum(store) << " bits flipped: " << store[kRefused] + store[kFound]
      << " detected (" << store[kRefused] << " refused at opening, " << store[kFound]
      << " found by verify), " << store[kHarmless] << " harmless (" << unexplained
      << " of them unexplained), " << store[kHarmful] << " undetected and harmful\n";
  if (wrong != 0) out << wrong << " flips came out wrong\n";
  return wrong == 0;
}

}  // namespace blkrewind::flips
