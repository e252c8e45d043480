// The device that all processes write to: a loop device and a partition on it, in memory; or a zram
// device, which has no request queue.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "blkrewind/units.h"
#include "support/loop_device.h"
#include "support/zram_device.h"

namespace blkrewind::tracking {

inline constexpr std::uint64_t kChunkBytes = 4 * kKiB;
inline constexpr std::uint64_t kDiskBytes = 32 * kMiB + 12 * kKiB;
inline constexpr Extent kPartition = {5 * kMiB + 4 * kKiB, 20 * kMiB};

// It could not be run; this says nothing about the engine.
[[noreturn]] void fail_with_errno(const std::string& what);

[[nodiscard]] UniqueFd open_node(const std::string& path, int flags);

enum class Where : std::uint8_t { kWholeDisk, kOnPartition, kOnZram };

class Stage {
 public:
  // What is tracked; the whole loop device where there is no zram. `direct_io`: the loop device has
  // many writes in flight at once, if the file system of the directory supports it; otherwise one
  // after another.
  Stage(const std::string& folder, Where where, bool direct_io);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] std::string disk() const { return zram_ ? zram_->path() : loop_->path(); }
  // The second node to write to, which a zram device does not have.
  [[nodiscard]] std::string partition() const { return zram_ ? disk() : loop_->path() + "p1"; }
  [[nodiscard]] std::string tracked() const { return on_partition_ ? partition() : disk(); }
  // Size of the tracked device.
  [[nodiscard]] std::uint64_t bytes() const {
    return on_partition_ ? kPartition.length : kDiskBytes;
  }
  [[nodiscard]] std::uint64_t sector_bytes() const { return zram_ ? 4 * kKiB : 512; }
  // Writes back the dirty pages of every node to the medium.
  void flush() const;
  // The whole content of the tracked device, from the medium.
  void read(std::byte* into) const;

 private:
  std::unique_ptr<test::ZramDevice> zram_;
  std::unique_ptr<test::LoopDevice> loop_;  // or this
  bool on_partition_;
};

}  // namespace blkrewind::tracking
