// The program that sets dirty bits, unchanged, compiled for a user-space process: each thread is a
// processor that may stall at any point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "track/bitmap/kernel/changes_abi.h"

namespace blkrewind::test {

struct ProgramShape {
  std::uint64_t first_sector = 0;
  std::uint64_t sectors = 0;
  std::uint32_t granule_shift = 12;  // bytes
  bool bios = false;                 // a device without a request queue
  bool counts = false;               // for a watch
};

// There is one program per process. Its maps are empty afterwards.
void load_program(const ProgramShape& shape);
[[nodiscard]] blkrewind_control& program_control();
[[nodiscard]] std::span<std::uint64_t> program_bits();
[[nodiscard]] std::span<blkrewind_bucket> program_under_way();

// The process id of the calling thread, and how many of its steps in a thousand are long ones.
struct Processor {
  std::uint32_t process = 1;
  std::uint64_t random = 1;
  std::uint32_t stalls = 0;
  std::uint32_t stall_spins = 0;  // at most
};
[[nodiscard]] Processor& processor();
void maybe_stall();

// The two events of a bio, which lies in `memory` of bio_bytes() from the first to the second. Its
// extent is used up at its end, unless it never became a request.
enum class BioEnd : std::uint8_t { kUsedUp, kWouldWait, kOther };
void bio_is_queued(void* memory, std::uint64_t sector, std::uint32_t sectors);
void bio_is_complete(void* memory, BioEnd end = BioEnd::kUsedUp);
[[nodiscard]] std::size_t bio_bytes();

// The two events of a write.
void write_is_queued(std::uint64_t sector, std::uint32_t sectors);
void write_is_complete(std::uint64_t sector, std::uint32_t sectors);

}  // namespace blkrewind::test
