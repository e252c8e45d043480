#include "host/attached.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "host/evidence.h"
#include "host/sysfs.h"

namespace blkrewind::host {
namespace {

// The name of the device that an entry leads to: the entry is a symbolic link to its folder. Empty:
// something else is mounted there.
std::string name_of_entry(const std::string& entry) {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::readlink(entry.c_str(), bytes.data(), bytes.size());
  const std::string_view target(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  return std::string(target.substr(target.rfind('/') + 1));
}

// Uses both ways in which sysfs lists devices: one of them may be hidden.
std::set<DeviceNumber> numbers_in_sysfs() {
  const std::string by_number = "/sys/dev/block";
  const std::string by_name = "/sys/class/block";
  std::set<DeviceNumber> numbers;
  std::set<std::string> names;  // of those
  for (const std::string& entry : list_names(by_number)) {
    const auto number = parse_device_number(entry);
    if (!number) continue;
    numbers.insert(*number);
    names.insert(name_of_entry(join_path(by_number, entry)));
  }
  for (const std::string& name : list_names(by_name)) {
    if (names.contains(name)) continue;
    if (const auto number = device_number_of(join_path(by_name, name))) numbers.insert(*number);
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
