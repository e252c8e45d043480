#include "track/bitmap/mark_sets.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "base/check.h"

namespace blkrewind::track {
namespace {

constexpr std::uint32_t kSectorShift = 9;

template <typename T>
T load_shared(T& place) {
  return std::atomic_ref<T>(place).load();
}

}  // namespace

MarkSets::MarkSets(blkrewind_control& control, std::span<std::uint64_t> bits,
                   std::span<blkrewind_bucket> under_way)
    : control_(control), bits_(bits), under_way_(under_way) {
  BLKREWIND_CHECK(bits.size() == control.words * BLKREWIND_GENERATIONS);
}

std::uint32_t MarkSets::active() const { return load_shared(control_.active) & 1; }

std::span<std::uint64_t> MarkSets::words(std::uint32_t set) const {
  return bits_.subspan(set * control_.words, control_.words);
}

void MarkSets::clear(std::uint32_t set) {
  for (std::uint64_t& word : words(set)) {
    if (load_shared(word) != 0) std::atomic_ref(word).store(0);
  }
}

void MarkSets::make_other_active() {
  std::atomic_ref(control_.active).store(load_shared(control_.active) + 1);
  mark_under_way(active());
}

// `sectors` is read first, because the program writes it last. If the place is given to another bio
// in between, the extent is that of neither; but then both events happened after the switch, and
// have set the right bits themselves.
void MarkSets::mark_under_way(std::uint32_t set) {
  const auto into = words(set);
  const std::uint64_t target_end = control_.first_sector + control_.sectors;
  const std::uint32_t shift = control_.granule_shift - kSectorShift;
  for (blkrewind_bucket& bucket : under_way_) {
    for (std::uint32_t i = 0; i < BLKREWIND_PLACES; ++i) {
      const std::uint64_t sectors = load_shared(bucket.sectors[i]);
      if (sectors == 0) continue;
      const std::uint64_t sector = load_shared(bucket.sector[i]);
      const std::uint64_t first = std::max<std::uint64_t>(sector, control_.first_sector);
      const std::uint64_t end = std::min(sector + sectors, target_end);
      if (first >= end) continue;
      const std::uint64_t last = (end - 1 - control_.first_sector) >> shift;
      for (std::uint64_t at = (first - control_.first_sector) >> shift; at <= last; ++at) {
        std::atomic_ref(into[at / 64]).fetch_or(std::uint64_t{1} << at % 64);
      }
    }
  }
}

Extent MarkSets::first_run(std::uint32_t set, std::uint64_t granule) const {
  const auto marks = words(set);
  std::uint64_t at = granule / 64;
  if (at >= marks.size()) return {};
  std::uint64_t word = load_shared(marks[at]) & (~std::uint64_t{0} << granule % 64);
  while (word == 0) {
    if (++at == marks.size()) return {};
    word = load_shared(marks[at]);
  }
  const std::uint64_t first = at * 64 + static_cast<unsigned>(std::countr_zero(word));
  std::uint64_t end = first;
  while (at < marks.size()) {
    word = load_shared(marks[at]) >> end % 64;
    const auto ones = static_cast<unsigned>(std::countr_one(word));
    end += ones;
    // The shift filled in zeroes from above, so a run of ones ends at the word's end at the latest.
    if (end % 64 != 0 || ones == 0) break;
    ++at;
  }
  return {first, end - first};
}

std::uint64_t MarkSets::count(std::uint32_t set) const {
  std::uint64_t count = 0;
  for (std::uint64_t& word : words(set)) {
    count += static_cast<unsigned>(std::popcount(load_shared(word)));
  }
  return count;
}

bool MarkSets::is_empty(std::uint32_t set) const {
  const auto marks = words(set);
  return std::all_of(marks.begin(), marks.end(),
                     [](std::uint64_t& word) { return load_shared(word) == 0; });
}

}  // namespace blkrewind::track
