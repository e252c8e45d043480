#include "track/bitmap/pins.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/fd.h"
#include "base/ids.h"
#include "format/store_header.h"
#include "host/sysfs.h"
#include "track/bitmap/kernel_program.h"

namespace blkrewind::track {
namespace {

// Why the store is not there; empty: it is, or it cannot be told.
std::string store_gone(const PinnedProgram& pin) {
  if (pin.store_path.empty()) return {};
  const std::string path = pin.store_path + "/format";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return absent ? "there is no longer a store in " + pin.store_path : "";
  }
  std::array<std::byte, format::kStoreHeaderBytes> bytes{};
  if (::pread(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return {};
  }
  const auto header = format::decode_store_header(bytes);
  if (!header || format::to_string(header->uuid) == pin.store_uuid) return {};
  return "there is another store in " + pin.store_path;
}

std::string device_gone(const blkrewind_control& control, const std::string& device) {
  const host::DeviceNumber number = makedev(control.major, control.minor);
  const std::string folder = host::sysfs_directory(number);
  if (::access("/sys/dev/block", F_OK) != 0) return {};  // unknown
  if (::access(folder.c_str(), F_OK) != 0) return "its device is no longer attached";
  const auto diskseq = host::read_number(folder + "/diskseq");
  if (!diskseq || control.diskseq == 0 || *diskseq == control.diskseq) return {};
  return device + " is a different device now";
}

}  // namespace

Result<std::vector<PinnedProgram>> pinned_programs() {
  std::vector<PinnedProgram> pins;
  BLKREWIND_ASSIGN(const auto disks, KernelProgram::pinned_disks());
  for (const std::string& disk : disks) {
    PinnedProgram pin;
    pin.disk_id = disk;
    pin.store_path = KernelProgram::store_of(disk);
    const auto program = KernelProgram::find(disk);
    if (program && *program) {
      const blkrewind_control& control = (*program)->control();
      pin.store_uuid = text_of_field(control.store_uuid, sizeof control.store_uuid);
      pin.device = host::node_path(makedev(control.major, control.minor));
      pin.gone = device_gone(control, pin.device);
      if (pin.gone.empty()) pin.gone = store_gone(pin);
    }
    pins.push_back(std::move(pin));
  }
  return pins;
}

Result<bool> remove_pinned(const std::string& disk_id) { return KernelProgram::stop(disk_id); }

}  // namespace blkrewind::track
