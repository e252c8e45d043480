#include "host/device_mapper_table.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "base/fd.h"

namespace blkrewind::host {
namespace {

constexpr std::size_t kTableBytesMax = 16 * 1024 * 1024;

// As the kernel's huge_encode_dev() does.
std::uint64_t encoded(DeviceNumber device) {
  const std::uint64_t minor_number = minor(device);
  return (minor_number & 0xff) | std::uint64_t{major(device)} << 8 |
         (minor_number & ~std::uint64_t{0xff}) << 12;
}

}  // namespace

std::uint64_t device_mapper_table(DeviceNumber whole) {
  if (list_names(sysfs_directory(whole) + "/dm").empty()) return 0;
  const UniqueFd control(::open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return 0;
  for (std::size_t size = 16 * 1024; size <= kTableBytesMax; size *= 4) {
    std::vector<std::byte> buffer(size);
    dm_ioctl request{};
    request.version[0] = DM_VERSION_MAJOR;
    request.data_size = static_cast<__u32>(size);
    request.data_start = sizeof request;
    request.flags = DM_STATUS_TABLE_FLAG | DM_SECURE_DATA_FLAG | DM_NOFLUSH_FLAG;
    request.dev = encoded(whole);
    std::memcpy(buffer.data(), &request, sizeof request);
    if (::ioctl(control.get(), DM_TABLE_STATUS, buffer.data()) != 0) return 0;
    std::memcpy(&request, buffer.data(), sizeof request);
    if ((request.flags & DM_BUFFER_FULL_FLAG) != 0) continue;
    if (request.data_size > size || request.data_start > request.data_size) return 0;
    // The kernel leaves gaps between the lines as they were: zeroes.
    return XXH3_64bits(buffer.data() + request.data_start, request.data_size - request.data_start) |
           1;
  }
  return 0;
}

}  // namespace blkrewind::host
