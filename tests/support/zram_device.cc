#include "support/zram_device.h"

#include <fstream>
#include <stdexcept>

#include "support/machine_wide.h"

namespace blkrewind::test {

std::unique_ptr<ZramDevice> ZramDevice::make(std::uint64_t size_bytes) {
  check_machine_wide("make a zram device");
  std::string number;
  std::ifstream("/sys/class/zram-control/hot_add") >> number;
  if (number.empty()) return nullptr;
  std::unique_ptr<ZramDevice> device(new ZramDevice(number));
  std::ofstream size("/sys/block/zram" + number + "/disksize");
  size << size_bytes << std::flush;
  if (!size) throw std::runtime_error("the size of " + device->path());
  return device;
}

ZramDevice::~ZramDevice() {
  std::ofstream("/sys/block/zram" + number_ + "/reset") << "1";
  std::ofstream("/sys/class/zram-control/hot_remove") << number_;
}

}  // namespace blkrewind::test
