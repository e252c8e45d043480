// Makes a run a function of its seed: this program replaces getrandom(2) and time(2). Every id,
// secret and time in a store comes from them, so the same seed writes the same bytes, and crash
// states can be distinguished by their bytes.
#pragma once

#include <cstdint>

namespace blkrewind::campaign {

// From now on, in this process. Not for several threads.
void repeat_from(std::uint64_t seed);

}  // namespace blkrewind::campaign
