// A state that counts only if it lasts.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

namespace blkrewind::host {

// Whether `held()` stays true for about half a second. A killed process releases its files only
// when the kernel has ended its requests, a moment after its death; udev, blkid and multipathd open
// devices for a moment. Such a holder is therefore not refused at once.
template <class Held>
[[nodiscard]] bool stays_held(const Held& held) {
  // Counted in polls rather than in time: on a busy machine the holder needs longer as well.
  constexpr int kLooks = 50;
  constexpr std::chrono::milliseconds kPause{10};
  for (int look = 1; held(); ++look) {
    if (look == kLooks) return true;
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

// To look at a device or a file without waiting for it: for the medium of a drive, or the other end
// of a FIFO.
inline constexpr int kLookFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

// open(2) with O_NONBLOCK, which must not wait for a FIFO or a drive, but does wait for a lease
// that another process has on the file for a moment. -1 with errno.
[[nodiscard]] inline int open_past_leases(const std::string& path, int flags) {
  int fd = -1;
  (void)stays_held([&] {
    fd = ::open(path.c_str(), flags | O_NONBLOCK);
    return fd < 0 && errno == EWOULDBLOCK;
  });
  return fd;
}

}  // namespace blkrewind::host
