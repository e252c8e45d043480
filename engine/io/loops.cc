#include "io/loops.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/fd.h"

namespace blkrewind::io {
namespace {

constexpr std::string_view kDeletedMark = " (deleted)";

// The mark is the kernel's (d_path) unless a file really is named so.
std::string without_deleted_mark(const std::string& path) {
  if (path.ends_with(kDeletedMark) && ::access(path.c_str(), F_OK) != 0) {
    return path.substr(0, path.size() - kDeletedMark.size());
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

bool ask_driver(LoopDevice& loop) {
  const UniqueFd fd(::open(loop.node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat node {};
  if (fd.get() < 0 || ::fstat(fd.get(), &node) != 0 || node.st_rdev != loop.device) {
    return false;
  }
  loop_info64 info{};
  if (::ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0) {
    return false;
  }
  loop.backing = {.device = unpack_device(info.lo_device), .inode = info.lo_inode};
  loop.backing_device = unpack_device(info.lo_rdevice);
  loop.range.offset = info.lo_offset;
  loop.size_limit = info.lo_sizelimit;
  loop.is_plain = info.lo_encrypt_type == LO_CRYPT_NONE;
  return true;
}

void ask_path(LoopDevice& loop) {
  struct stat file {};
  if (::stat(loop.backing_file.c_str(), &file) == 0) {
    loop.backing = {.device = file.st_dev, .inode = file.st_ino};
    loop.backing_device = S_ISBLK(file.st_mode) ? file.st_rdev : 0;
  }
}

}  // namespace

std::optional<LoopDevice> loop_device(DeviceNumber device) {
  const std::string directory = sysfs_directory(device);
  const std::string backing_file = read_attribute(directory + "/loop/backing_file");
  if (backing_file.empty()) {
    return std::nullopt;
  }
  LoopDevice loop;
  loop.device = device;
  loop.node = node_path(device);
  loop.backing_file = without_deleted_mark(backing_file);
  loop.range = {.offset = read_number(directory + "/loop/offset").value_or(0),
                .length = device_size_bytes(device)};
  loop.size_limit = read_number(directory + "/loop/sizelimit").value_or(0);
  if (!ask_driver(loop)) {
    ask_path(loop);
  }
  return loop;
}

std::vector<LoopDevice> loop_devices() {
  std::vector<LoopDevice> loops;
  for (const std::string& name : list_names("/sys/block")) {
    if (!name.starts_with("loop")) {
      continue;
    }
    const auto number = device_number_of("/sys/block/" + name);
    if (!number) {
      continue;
    }
    if (auto loop = loop_device(*number)) {
      loops.push_back(std::move(*loop));
    }
  }
  return loops;
}

bool ranges_overlap(const Extent& a, const Extent& b) {
  return a.offset < b.end() && b.offset < a.end();
}

}  // namespace blkrewind::io
