// A zram device for tests: a device without a request queue. Needs root; belongs to the whole
// machine, as loop devices do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace blkrewind::test {

class ZramDevice {
 public:
  // Null: this kernel has no zram, or lets no device be added.
  [[nodiscard]] static std::unique_ptr<ZramDevice> make(std::uint64_t size_bytes);
  ~ZramDevice();
  ZramDevice(const ZramDevice&) = delete;
  ZramDevice& operator=(const ZramDevice&) = delete;

  [[nodiscard]] std::string path() const { return "/dev/zram" + number_; }

 private:
  explicit ZramDevice(std::string number) : number_(std::move(number)) {}

  std::string number_;
};

}  // namespace blkrewind::test
