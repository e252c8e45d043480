// Makes a run a function of its seed: in this program getrandom(2) and time(2) are ours. Every id,
// every secret and every time in a store comes from there, so the same seed writes the same bytes,
// and one crash state can be told from another by its bytes.
#pragma once

#include <cstdint>

namespace blkrewind::campaign {

// From now on, in this process. Not for several threads.
void repeat_from(std::uint64_t seed);

}  // namespace blkrewind::campaign
