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
  // The file is created if it does not exist.
  Device(const std::string& backing, std::uint64_t size_bytes, bool image);

  [[nodiscard]] const std::string& path() const { return loop_ ? loop_->path() : backing_; }
  [[nodiscard]] const std::string& backing() const { return backing_; }

  // Writes, zeroes and discards ranges; durable on return.
  void change(sim::Random& random) const;
  // A killed process ends before its submitted I/O does, which holds the device until then.
  void wait_until_free() const;

 private:
  std::string backing_;
  std::uint64_t size_bytes_;
  std::optional<test::LoopDevice> loop_;
};

}  // namespace blkrewind::soak
