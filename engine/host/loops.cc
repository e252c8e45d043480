#include "host/loops.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/fd.h"

namespace blkrewind::host {
namespace {

constexpr std::string_view kDeletedSuffix = " (deleted)";

// The kernel adds this suffix (d_path), unless a file really has such a name.
std::string without_deleted_suffix(const std::string& path) {
  if (path.ends_with(kDeletedSuffix) && ::access(path.c_str(), F_OK) != 0) {
    return path.substr(0, path.size() - kDeletedSuffix.size());
  }
  return path;
}

// The kernel packs device numbers into 32 bits here (huge_encode_dev): the low byte of the minor,
// then 12 bits of major, then the rest of the minor.
DeviceNumber unpack_device(std::uint64_t packed) {
  const auto major_number = static_cast<unsigned>((packed & 0xfff00) >> 8);
  const auto minor_number = static_cast<unsigned>((packed & 0xff) | ((packed >> 12) & 0xfff00));
  return makedev(major_number, minor_number);
}

// False: no longer attached.
bool ask_driver(LoopDevice& loop, int fd) {
  const UniqueFd opened(fd >= 0 ? -1
                                : ::open(loop.node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd < 0) {
    struct stat node {};
    if (!opened.valid() || ::fstat(opened.get(), &node) != 0 || !S_ISBLK(node.st_mode) ||
        node.st_rdev != loop.device) {
      return true;  // unknown
    }
    fd = opened.get();
  }
  loop_info64 info{};
  if (::ioctl(fd, LOOP_GET_STATUS64, &info) != 0) return errno != ENXIO;
  loop.backing = {.device = unpack_device(info.lo_device), .inode = info.lo_inode};
  loop.backing_device = unpack_device(info.lo_rdevice);
  loop.range.offset = info.lo_offset;
  loop.size_limit = info.lo_sizelimit;
  loop.is_plain = info.lo_encrypt_type == LO_CRYPT_NONE;
  loop.backing_known = true;
  return true;
}

// The block drivers of the running kernel (proc(5), /proc/devices).
bool kernel_has_no_loop_driver() {
  const std::string drivers = read_attribute("/proc/devices");
  const std::size_t block = drivers.find("Block devices:");
  return block != std::string::npos && drivers.find(" loop", block) == std::string::npos;
}

}  // namespace

Result<std::optional<LoopDevice>> ask_loop_device(DeviceNumber device, int fd) {
  const std::string directory = sysfs_directory(device);
  BLKREWIND_ASSIGN(const auto backing_file, ask_attribute(directory + "/loop/backing_file"));
  if (!backing_file) return std::optional<LoopDevice>();
  LoopDevice loop;
  loop.device = device;
  loop.node = node_path(device);
  loop.backing_file = without_deleted_suffix(*backing_file);
  loop.range = {.offset = read_number(directory + "/loop/offset").value_or(0),
                .length = device_size_bytes(device)};
  if (!ask_driver(loop, fd)) return std::optional<LoopDevice>();
  return loop;
}

std::optional<LoopDevice> loop_device(DeviceNumber device) {
  return ask_loop_device(device).value_or(std::nullopt);
}

Result<std::vector<LoopDevice>> ask_loop_devices() {
  std::vector<LoopDevice> loops;
  const std::string directory = "/sys/block";
  const auto names = ask_names(directory);
  if (!names) {
    if (kernel_has_no_loop_driver()) return loops;
    return fail(names.error());
  }
  for (const std::string& name : *names) {
    if (!name.starts_with("loop")) {
      continue;
    }
    // Most of them have no file: those are asked for nothing else.
    const std::string entry = join_path(directory, name);
    BLKREWIND_ASSIGN(const auto file, ask_attribute(entry + "/loop/backing_file"));
    if (!file) continue;
    BLKREWIND_ASSIGN(const auto number, ask_attribute(entry + "/dev"));
    const auto device = number ? parse_device_number(*number) : std::nullopt;
    if (!device) continue;
    BLKREWIND_ASSIGN(auto loop, ask_loop_device(*device));
    if (loop) loops.push_back(std::move(*loop));
  }
  return loops;
}

bool ranges_overlap(const Extent& a, const Extent& b) {
  return a.offset < b.end() && b.offset < a.end();
}

}  // namespace blkrewind::host
