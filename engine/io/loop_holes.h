// Where the file below a loop device has data, so that its holes need not be read through the
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

// For a device that nobody else can write to: it is opened exclusively. What was written before may
// still be on its way down, so everything is flushed when a pass over the device begins: at the
// first look, and at each that goes back. Any thread.
class LoopHoles {
 public:
  // Null where nothing can be learned: no loop device nor a partition of one, one over a block
  // device, a file that cannot be opened, or is not the one below it any more. `fd`: of the device;
  // it outlives this object.
  [[nodiscard]] static std::unique_ptr<LoopHoles> below(int fd, dev_t device,
                                                        std::uint64_t device_bytes);

  // The first data at or after `offset`, both on the device, which ends at `device_bytes`; empty
  // when there is none up to its end. nullopt: cannot be told, everything has to be read.
  [[nodiscard]] std::optional<Extent> next_data(std::uint64_t offset);
  // Where the device's bytes end: before `device_bytes` when the file has been cut.
  [[nodiscard]] std::uint64_t end_bytes() const;

  // All of the device has its place in the file (preallocation.h).
  [[nodiscard]] bool is_fully_allocated() const;

 private:
  LoopHoles(int device_fd, UniqueFd file, std::uint64_t begin, std::uint64_t device_bytes);
  void flush();

  const int device_fd_;
  const UniqueFd file_;
  const std::uint64_t begin_;  // of the device, in the file
  const std::uint64_t device_bytes_;
  std::mutex mutex_;
  std::optional<std::uint64_t> looked_at_;  // last
  bool reliable_ = false;                   // the last flush succeeded
};

}  // namespace blkrewind::io
