// The two sets of marks in memory shared with the program in the kernel, one of them active, and
// the table of the bios under way.
//
// Switching takes no lock: the engine changes `active`, and then reads the former set; the program
// sets a bit and then reads `active` again. The one that comes second sees the effect of the other.
// What began before the switch and ends after it must be in the new set as well: the program sets
// the bits again at the end of every request, and of every bio whose end the kernel announces; and
// make_other_active() sets those of all bios in the table, announced or not (kernel/changes.bpf.c).
//
// None of it allocates. Not thread-safe; the program may run at any time on any processor.
#pragma once

#include <cstdint>
#include <span>

#include "blkrewind/units.h"
#include "track/bitmap/kernel/changes_abi.h"

namespace blkrewind::track {

class MarkSets {
 public:
  // `bits`: of both sets. `under_way`: empty for a device with a request queue. Shared with the
  // program; all of it outlives this object.
  MarkSets(blkrewind_control& control, std::span<std::uint64_t> bits,
           std::span<blkrewind_bucket> under_way);

  [[nodiscard]] std::uint32_t active() const;
  [[nodiscard]] std::uint32_t other() const { return 1 - active(); }
  [[nodiscard]] std::span<std::uint64_t> words(std::uint32_t set) const;

  void clear(std::uint32_t set);
  void make_other_active();

  // The first run of marks at or after `granule`, as granules; empty: none.
  [[nodiscard]] Extent first_run(std::uint32_t set, std::uint64_t granule) const;
  [[nodiscard]] std::uint64_t count(std::uint32_t set) const;
  [[nodiscard]] bool is_empty(std::uint32_t set) const;

 private:
  void mark_under_way(std::uint32_t set);

  blkrewind_control& control_;
  const std::span<std::uint64_t> bits_;
  const std::span<blkrewind_bucket> under_way_;
};

}  // namespace blkrewind::track
