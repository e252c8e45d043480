#include "host/attached.h"

#include <sys/sysmacros.h>

#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "host/evidence.h"
#include "host/sysfs.h"

namespace blkrewind::host {
namespace {

// "8:16"
std::optional<DeviceNumber> parse_number(const std::string& name) {
  const std::size_t colon = name.find(':');
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const char* const end = name.data() + name.size();
  if (colon == std::string::npos ||
      std::from_chars(name.data(), end, major_number).ptr != name.data() + colon ||
      std::from_chars(name.data() + colon + 1, end, minor_number).ptr != end) {
    return std::nullopt;
  }
  return makedev(major_number, minor_number);
}

// Uses both ways in which sysfs lists devices: one of them may be hidden.
std::set<DeviceNumber> numbers_in_sysfs() {
  std::set<DeviceNumber> numbers;
  for (const std::string& name : list_names("/sys/dev/block")) {
    if (const auto number = parse_number(name)) numbers.insert(*number);
  }
  for (const std::string& name : list_names("/sys/class/block")) {
    if (const auto number = device_number_of("/sys/class/block/" + name)) numbers.insert(*number);
  }
  return numbers;
}

}  // namespace

Result<std::vector<DeviceInfo>> attached_devices(std::uint64_t content_bytes) {
  const std::set<DeviceNumber> numbers = numbers_in_sysfs();
  if (numbers.empty()) {
    return fail(Errc::kUnsupported, "cannot tell which block devices are attached",
                run_program("mount the sys file system", "mount -t sysfs sysfs /sys"));
  }
  std::vector<DeviceInfo> devices;
  for (const DeviceNumber number : numbers) {
    if (device_size_bytes(number) == 0) {
      continue;
    }
    DeviceInfo info;
    info.kind = DeviceKind::kBlock;
    info.path = node_path(number);
    info.real_path = info.path;
    info.major = major(number);
    info.minor = minor(number);
    info.identity = block_evidence(number);
    info.size_bytes = info.identity.size_bytes;
    if (info.size_bytes == content_bytes && is_nameless(info.identity) &&
        !read_block_content(number, info.identity)) {
      return fail(Errc::kUnsupported,
                  "cannot tell whether " + info.path + " is a copy: it cannot be opened",
                  "make its device node available, and run this as root");
    }
    devices.push_back(std::move(info));
  }
  return devices;
}

}  // namespace blkrewind::host
