#include "io/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

#include "base/fd.h"

namespace blkrewind::io {
namespace {

// sysfs counts sizes and starts in these, whatever the device's sector is.
constexpr std::uint64_t kSysfsSectorBytes = 512;

std::vector<DeviceNumber> numbers_in(const std::string& directory) {
  std::vector<DeviceNumber> numbers;
  for (const std::string& name : list_names(directory)) {
    if (const auto number = device_number_of(join_path(directory, name))) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

}  // namespace

std::string sysfs_directory(DeviceNumber device) {
  return "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

std::string join_path(const std::string& directory, std::string_view name) {
  std::string path = directory;
  return path.append("/").append(name);
}

std::string read_attribute(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    return {};
  }
  std::array<char, 4096> bytes{};
  ssize_t got = 0;
  do {
    got = ::read(fd.get(), bytes.data(), bytes.size());
  } while (got < 0 && errno == EINTR);
  if (got <= 0) {
    return {};
  }
  const std::string_view text(bytes.data(), static_cast<std::size_t>(got));
  constexpr std::string_view kBlank(" \t\r\n\0", 5);
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  const std::string text = read_attribute(path);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> list_names(const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
  if (stream == nullptr) {
    return names;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string node_path(DeviceNumber device) {
  constexpr std::string_view kKey = "DEVNAME=";
  const std::string uevent = "\n" + read_attribute(sysfs_directory(device) + "/uevent");
  const std::size_t key = uevent.find("\n" + std::string(kKey));
  if (key == std::string::npos) {
    return "block device " + std::to_string(major(device)) + ":" + std::to_string(minor(device));
  }
  const std::size_t begin = key + 1 + kKey.size();
  return "/dev/" + uevent.substr(begin, uevent.find('\n', begin) - begin);
}

std::optional<DeviceNumber> device_number_of(const std::string& sysfs_path) {
  const std::string text = read_attribute(sysfs_path + "/dev");
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return std::nullopt;
  }
  const char* const end = text.data() + text.size();
  unsigned major_number = 0;
  unsigned minor_number = 0;
  if (std::from_chars(text.data(), end, major_number).ptr != text.data() + colon ||
      std::from_chars(text.data() + colon + 1, end, minor_number).ptr != end) {
    return std::nullopt;
  }
  return makedev(major_number, minor_number);
}

std::optional<DeviceNumber> block_device_at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) {
    return std::nullopt;
  }
  return status.st_rdev;
}

bool is_partition(DeviceNumber device) {
  return ::access((sysfs_directory(device) + "/partition").c_str(), F_OK) == 0;
}

DeviceNumber whole_disk(DeviceNumber device) {
  if (!is_partition(device)) {
    return device;
  }
  // The entry is a symbolic link to .../block/DISK/PARTITION, so ".." is the disk's own directory.
  return device_number_of(sysfs_directory(device) + "/..").value_or(device);
}

std::vector<DeviceNumber> partitions_of(DeviceNumber whole) {
  std::vector<DeviceNumber> partitions;
  const std::string directory = sysfs_directory(whole);
  for (const std::string& name : list_names(directory)) {
    const std::string child = join_path(directory, name);
    if (::access((child + "/partition").c_str(), F_OK) != 0) {
      continue;
    }
    if (const auto number = device_number_of(child)) {
      partitions.push_back(*number);
    }
  }
  return partitions;
}

std::vector<DeviceNumber> holders_of(DeviceNumber device) {
  return numbers_in(sysfs_directory(device) + "/holders");
}

std::vector<DeviceNumber> slaves_of(DeviceNumber device) {
  return numbers_in(sysfs_directory(device) + "/slaves");
}

std::uint64_t partition_start_bytes(DeviceNumber device) {
  return read_number(sysfs_directory(device) + "/start").value_or(0) * kSysfsSectorBytes;
}

std::uint64_t device_size_bytes(DeviceNumber device) {
  return read_number(sysfs_directory(device) + "/size").value_or(0) * kSysfsSectorBytes;
}

}  // namespace blkrewind::io
