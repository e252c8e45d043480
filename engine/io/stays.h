// A state that counts only when it lasts.
#pragma once

#include <unistd.h>

namespace blkrewind::io {

// Whether `held()` stays true for about half a second. A process that was killed lets go of its
// files only when the kernel has ended its requests, a moment after it is gone; udev, blkid and
// multipathd open devices for a moment. So a refusal for such a holder is not given at once.
template <class Held>
[[nodiscard]] bool stays_held(const Held& held) {
  constexpr int kLooks = 50;
  constexpr useconds_t kPauseMicroseconds = 10000;
  for (int look = 1; held(); ++look) {
    if (look == kLooks) return true;
    ::usleep(kPauseMicroseconds);
  }
  return false;
}

}  // namespace blkrewind::io
