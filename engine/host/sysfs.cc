#include "host/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/fd.h"

namespace blkrewind::host {
namespace {

// Unit of sizes and starts in sysfs, whatever the sector size of the device is.
constexpr std::uint64_t kSysfsSectorBytes = 512;

// Empty: it is not a device, or has just been removed.
Result<std::optional<DeviceNumber>> ask_number(const std::string& device_directory) {
  BLKREWIND_ASSIGN(const auto text, ask_attribute(device_directory + "/dev"));
  return text ? parse_device_number(*text) : std::nullopt;
}

Result<std::vector<DeviceNumber>> numbers_in(const std::string& directory) {
  std::vector<DeviceNumber> numbers;
  BLKREWIND_ASSIGN(const auto names, ask_names(directory));
  for (const std::string& name : names) {
    BLKREWIND_ASSIGN(const auto number, ask_number(join_path(directory, name)));
    if (number) numbers.push_back(*number);
  }
  return numbers;
}

tl::unexpected<Error> unreadable(int sys_errno, const std::string& path) {
  return fail(Errc::kUnsupported, "cannot read " + path + ": " + std::strerror(sys_errno),
              "run it as root, where all of /sys can be read");
}

// A copy of a device's entry mounted in place of sysfs: it describes that device, and the open file
// belongs to it as a whole. This is not true of a file system that hides a part of the entry.
bool is_copied_entry(int fd, const std::string& path) {
  constexpr std::string_view kEntries = "/sys/dev/block/";
  if (!path.starts_with(kEntries)) return false;
  const std::size_t end = path.find('/', kEntries.size());
  const std::string entry = path.substr(0, end);
  const std::string number = entry.substr(kEntries.size());
  struct stat opened {};
  struct stat told {};
  return ::fstat(fd, &opened) == 0 && ::stat((entry + "/dev").c_str(), &told) == 0 &&
         opened.st_dev == told.st_dev && read_attribute(entry + "/dev") == number;
}

// Another file system may be mounted over a part of sysfs, as containers do to hide it.
Status check_is_sysfs(int fd, const std::string& path) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return unreadable(errno, path);
  if (status.f_type == SYSFS_MAGIC || is_copied_entry(fd, path)) return {};
  return fail(Errc::kUnsupported, "sysfs is not visible at " + path,
              run_program("mount it", "mount -t sysfs sysfs /sys")
                  .or_else("run it outside of the container"));
}

// Whether sysfs itself has no `path`: its nearest existing directory is part of sysfs.
Status check_absent(const std::string& path) {
  std::string above = path;
  while (true) {
    const std::size_t slash = above.rfind('/');
    above = slash == 0 || slash == std::string::npos ? "/" : above.substr(0, slash);
    // Without opening it: most questions are about attributes that do not exist.
    struct statfs status {};
    if (::statfs(above.c_str(), &status) == 0) {
      if (status.f_type == SYSFS_MAGIC) return {};
      const UniqueFd fd(::open(above.c_str(), O_PATH | O_CLOEXEC));
      return check_is_sysfs(fd.get(), above == "/" ? "/sys" : above);
    }
    if ((errno != ENOENT && errno != ENOTDIR) || above == "/") return unreadable(errno, above);
  }
}

// The device was removed during the check: it uses nothing.
bool means_gone(int sys_errno) { return sys_errno == ENODEV || sys_errno == ENXIO; }

std::string stripped(std::string_view text) {
  constexpr std::string_view kBlank(" \t\r\n\0", 5);
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

// Bytes read, or a negative errno.
ssize_t read_some(int fd, std::span<char> bytes) {
  while (true) {
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got >= 0) return got;
    if (errno != EINTR) return -errno;
  }
}

constexpr std::size_t kAttributeBytesMax = 4096;

std::string number_text(DeviceNumber device) {
  return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

std::string entry_of(DeviceNumber device) { return "/sys/dev/block/" + number_text(device); }

// An attribute that every device has: where it can be read, its entry is not looked for first.
std::string read_common(DeviceNumber device, std::string_view name) {
  std::string text = read_attribute(join_path(entry_of(device), name));
  return text.empty() ? read_attribute(join_path(sysfs_directory(device), name)) : text;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string sysfs_directory(DeviceNumber device) {
  const std::string number = number_text(device);
  std::string entry = entry_of(device);
  if (major(device) == 0 || ::access(entry.c_str(), F_OK) == 0) return entry;
  // Hidden or mounted over, as in some containers: each device also has an entry under its name.
  const std::string by_name = "/sys/class/block";
  for (const std::string& name : list_names(by_name)) {
    std::string other = join_path(by_name, name);
    if (read_attribute(other + "/dev") == number) return other;
  }
  return entry;
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
  std::array<char, kAttributeBytesMax> bytes{};
  const ssize_t got = read_some(fd.get(), bytes);
  return got <= 0 ? std::string()
                  : stripped(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
}

Result<std::optional<std::string>> ask_attribute(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno != ENOENT && errno != ENOTDIR) return unreadable(errno, path);
    BLKREWIND_TRY(check_absent(path));
    return std::optional<std::string>();
  }
  BLKREWIND_TRY(check_is_sysfs(fd.get(), path));
  std::array<char, kAttributeBytesMax> bytes{};
  const ssize_t got = read_some(fd.get(), bytes);
  if (got < 0) {
    if (!means_gone(static_cast<int>(-got))) return unreadable(static_cast<int>(-got), path);
    return std::optional<std::string>();
  }
  return std::optional(stripped(std::string_view(bytes.data(), static_cast<std::size_t>(got))));
}

Result<std::vector<std::string>> ask_names(const std::string& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno != ENOENT && errno != ENOTDIR) return unreadable(errno, directory);
    BLKREWIND_TRY(check_absent(directory));
    return std::vector<std::string>();
  }
  BLKREWIND_TRY(check_is_sysfs(fd.get(), directory));
  return list_names(directory);
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  return parse_count(read_attribute(path));
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
  const std::string uevent = "\n" + read_common(device, "uevent");
  const std::size_t key = uevent.find("\n" + std::string(kKey));
  if (key == std::string::npos) {
    return "block device " + std::to_string(major(device)) + ":" + std::to_string(minor(device));
  }
  const std::size_t begin = key + 1 + kKey.size();
  return "/dev/" + uevent.substr(begin, uevent.find('\n', begin) - begin);
}

std::optional<DeviceNumber> device_number_of(const std::string& sysfs_path) {
  return parse_device_number(read_attribute(sysfs_path + "/dev"));
}

std::optional<DeviceNumber> parse_device_number(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
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

Result<DeviceNumber> ask_whole_disk(DeviceNumber device) {
  const std::string directory = sysfs_directory(device);
  BLKREWIND_ASSIGN(const auto partition, ask_attribute(directory + "/partition"));
  if (!partition) return device;
  // The entry is a symbolic link to .../block/DISK/PARTITION, so ".." is the disk's own directory.
  BLKREWIND_ASSIGN(const auto whole, ask_number(directory + "/.."));
  if (whole) return *whole;
  return fail(Errc::kUnsupported, "sysfs does not name the disk of partition " + node_path(device),
              run_program("mount sysfs", "mount -t sysfs sysfs /sys"));
}

DeviceNumber whole_disk(DeviceNumber device) { return ask_whole_disk(device).value_or(device); }

Result<std::vector<DeviceNumber>> ask_partitions(DeviceNumber whole) {
  std::vector<DeviceNumber> partitions;
  const std::string directory = sysfs_directory(whole);
  BLKREWIND_ASSIGN(const auto names, ask_names(directory));
  for (const std::string& name : names) {
    // Its name is the disk's and a number (block/partitions/core.c); most entries are attributes.
    if (name.back() < '0' || name.back() > '9') continue;
    const std::string child = join_path(directory, name);
    BLKREWIND_ASSIGN(const auto partition, ask_attribute(child + "/partition"));
    if (!partition) continue;
    BLKREWIND_ASSIGN(const auto number, ask_number(child));
    if (number) partitions.push_back(*number);
  }
  return partitions;
}

std::vector<DeviceNumber> partitions_of(DeviceNumber whole) {
  return ask_partitions(whole).value_or(std::vector<DeviceNumber>());
}

Result<std::vector<DeviceNumber>> ask_holders(DeviceNumber device) {
  return numbers_in(sysfs_directory(device) + "/holders");
}

Result<std::vector<DeviceNumber>> ask_slaves(DeviceNumber device) {
  return numbers_in(sysfs_directory(device) + "/slaves");
}

std::vector<DeviceNumber> slaves_of(DeviceNumber device) {
  return ask_slaves(device).value_or(std::vector<DeviceNumber>());
}

std::uint64_t partition_start_bytes(DeviceNumber device) {
  return read_number(sysfs_directory(device) + "/start").value_or(0) * kSysfsSectorBytes;
}

std::uint64_t device_size_bytes(DeviceNumber device) {
  return parse_count(read_common(device, "size")).value_or(0) * kSysfsSectorBytes;
}

}  // namespace blkrewind::host
