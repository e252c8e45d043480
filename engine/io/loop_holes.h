// The data ranges of the file below a loop device, so that its holes need not be read through the
// device.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "base/fd.h"
#include "blkrewind/units.h"

namespace blkrewind::io {

// For a device that no other process can write to: it is opened exclusively. Earlier writes may
// still be in a cache, so everything is flushed when a pass over the device starts: at the first
// query, and at each query at a lower offset. Any thread.
class LoopHoles {
 public:
  // Null if nothing can be determined: not a loop device nor a partition of one, one over a block
  // device, a file that cannot be opened, or is no longer the one below it. `fd`: of the device; it
  // outlives this object.
  [[nodiscard]] static std::unique_ptr<LoopHoles> below(int fd, dev_t device,
                                                        std::uint64_t device_bytes);

  // The first data at or after `offset`, both on the device, which ends at `device_bytes`; empty if
  // there is none. nullopt: unknown, everything has to be read.
  [[nodiscard]] std::optional<Extent> next_data(std::uint64_t offset);
  // The end of the device's bytes: before `device_bytes` if the file was truncated.
  [[nodiscard]] std::uint64_t end_bytes() const;

  // All of the device is allocated in the file (preallocation.h).
  [[nodiscard]] bool is_fully_allocated() const;

 private:
  LoopHoles(int device_fd, UniqueFd file, std::uint64_t begin, std::uint64_t device_bytes);
  void flush();

  const int device_fd_;
  const UniqueFd file_;
  const std::uint64_t begin_;  // range of the device in the file
  const std::uint64_t device_bytes_;
  std::mutex mutex_;
  std::optional<std::uint64_t> looked_at_;  // last
  bool reliable_ = false;                   // the last flush succeeded
};

}  // namespace blkrewind::io
