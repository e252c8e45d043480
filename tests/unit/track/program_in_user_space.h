// The program that marks changes, as it is written, compiled for a process of ours: each thread is
// a processor that may lose its time anywhere.
#pragma once

#include <cstdint>
#include <span>

#include "track/bitmap/kernel/changes_abi.h"

namespace blkrewind::test {

struct ProgramShape {
  std::uint64_t first_sector = 0;
  std::uint64_t sectors = 0;
  std::uint32_t granule_shift = 12;  // bytes
};

// There is one program in a process. Its maps are empty then.
void load_program(const ProgramShape& shape);
[[nodiscard]] blkrewind_control& program_control();
[[nodiscard]] std::span<std::uint64_t> program_bits();

// What the calling thread passes for, and how many of its steps are long ones, in a thousand.
struct Processor {
  std::uint32_t process = 1;
  std::uint64_t random = 1;
  std::uint32_t stalls = 0;
  std::uint32_t stall_spins = 0;  // at most
};
[[nodiscard]] Processor& processor();
void maybe_stall();

// The two events of a write.
void write_is_queued(std::uint64_t sector, std::uint32_t sectors);
void write_is_complete(std::uint64_t sector, std::uint32_t sectors);

}  // namespace blkrewind::test
