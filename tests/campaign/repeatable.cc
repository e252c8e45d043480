#include "campaign/repeatable.h"

#include <sys/random.h>
#include <sys/types.h>

#include <ctime>

#include "support/simulated_random.h"

namespace blkrewind::campaign {
namespace {

sim::Random source(1);

}  // namespace

void repeat_from(std::uint64_t seed) { source = sim::Random(seed); }

}  // namespace blkrewind::campaign

// They replace those of the C library, because symbols of the program itself are found first.
extern "C" ssize_t getrandom(void* buffer, size_t length, unsigned /*flags*/) noexcept {
  auto* bytes = static_cast<unsigned char*>(buffer);
  for (size_t i = 0; i < length; ++i) {
    bytes[i] = static_cast<unsigned char>(blkrewind::campaign::source.next());
  }
  return static_cast<ssize_t>(length);
}

extern "C" time_t time(time_t* out) noexcept {
  constexpr time_t kNow = 1'700'000'000;
  if (out != nullptr) *out = kNow;
  return kNow;
}
