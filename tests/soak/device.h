// A device that is snapshotted and rolled back: a loop device over a file, or the file itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "support/loop_device.h"
#include "support/simulated_random.h"

namespace blkrewind::soak {

class Device {
 public:
  // The file is made when it is not there.
  Device(const std::string& backing, std::uint64_t size_bytes, bool image);

  [[nodiscard]] const std::string& path() const { return loop_ ? loop_->path() : backing_; }
  [[nodiscard]] const std::string& backing() const { return backing_; }

  // Writes, zeroes and discards ranges; durable on return.
  void change(sim::Random& random) const;
  // A killed process is gone before the I/O that it had begun is, and holds the device so long.
  void wait_until_free() const;

 private:
  std::string backing_;
  std::uint64_t size_bytes_;
  std::optional<test::LoopDevice> loop_;
};

}  // namespace blkrewind::soak
