// The device that all processes write to: a loop device and a partition on it, in memory.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "blkrewind/units.h"
#include "support/loop_device.h"

namespace blkrewind::tracking {

inline constexpr std::uint64_t kChunkBytes = 4 * kKiB;
inline constexpr std::uint64_t kDiskBytes = 32 * kMiB + 12 * kKiB;
inline constexpr Extent kPartition = {5 * kMiB + 4 * kKiB, 20 * kMiB};

// It could not be run; this says nothing about the engine.
[[noreturn]] void fail_with_errno(const std::string& what);

[[nodiscard]] UniqueFd open_node(const std::string& path, int flags);

class Stage {
 public:
  // `track_partition`: track the partition, not the whole disk. `direct_io`: the loop device has
  // many writes in flight at once, if the file system of the directory supports it; otherwise one
  // after another.
  Stage(const std::string& folder, bool track_partition, bool direct_io);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] const std::string& disk() const { return loop_.path(); }
  [[nodiscard]] std::string partition() const { return loop_.path() + "p1"; }
  [[nodiscard]] std::string tracked() const { return on_partition_ ? partition() : disk(); }
  // Size of the tracked device.
  [[nodiscard]] std::uint64_t bytes() const {
    return on_partition_ ? kPartition.length : kDiskBytes;
  }
  // Writes back the dirty pages of every node to the medium.
  void flush() const;
  // The whole content of the tracked device, from the medium.
  void read(std::byte* into) const;

 private:
  test::LoopDevice loop_;
  bool on_partition_;
};

}  // namespace blkrewind::tracking
