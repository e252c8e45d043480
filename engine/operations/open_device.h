// Opens a disk's device exclusively, with all checks.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "io/env.h"

namespace blkrewind {

enum class DeviceUse : std::uint8_t {
  kRead,   // snapshot, diff, plan
  kWrite,  // rollback: also refused if it is read-only, or if the store is on it
  kPlan,   // a rollback's dry run: checked as for kWrite, opened as for kRead
  kInUse,  // a snapshot while others use it
};

struct OpenedDevice {
  std::unique_ptr<io::File> file;
  host::DeviceInfo info;      // as it was when it was checked
  std::string recognised_by;  // the evidence that identified it
  DeviceUse use = DeviceUse::kRead;
};

// kPrecondition, with a remedy, if the device cannot be used now: it is in use, or read-only, or
// another device than the registered one, a file of the store itself, or the store is on it.
// Changes nothing. Returns the evidence that identified the device.
[[nodiscard]] Result<std::string> check_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const host::DeviceInfo& info, DeviceUse use);

// There is no longer a file at the path where the disk was seen last.
[[nodiscard]] Error device_gone(const format::DiskRecord& disk, const std::string& path);

// Whether a directory is the store's or is inside it: data there would become part of the store
// itself. A directory that cannot be opened is not the store's, which is open.
[[nodiscard]] bool is_in_store(io::Env& env, const std::string& store_path, std::string folder);

// Whether the device is free: the part of check_device() that does not depend on the disk. Used for
// an image that is imported.
[[nodiscard]] Status check_free(const host::DeviceInfo& info);

// The current state of the path and its users, including writers, without holding it.
[[nodiscard]] Result<host::DeviceInfo> look_at(io::Env& env, const std::string& path);

// Opens exclusively, then checks the opened device, whatever the path referred to before or refers
// to now, and settles the caches of other nodes; the device is held from here on. kNotFound if the
// device is gone.
[[nodiscard]] Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const std::string& path, DeviceUse use);

// The same for a device that others use, for reading: not held, and its users do not count. A
// device is read past the cache, since what that holds need not be what a file system has written.
[[nodiscard]] Result<OpenedDevice> open_in_use(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const std::string& path);

// Checks an open device once more: it is still the same, of the same size, under the same name, and
// has no new user. Called before the first write, and before data that was read is recorded: a loop
// device can be given another file or offset while it is held, and an image file another name.
[[nodiscard]] Status recheck_device(io::Env& env, const std::string& store_path,
                                    const format::DiskRecord& disk, const OpenedDevice& device);

// A file or device that is not a disk, for an import: opened for reading, held and checked in the
// same way.
[[nodiscard]] Result<OpenedDevice> open_image(io::Env& env, const std::string& path);
[[nodiscard]] Status recheck_free(io::Env& env, const OpenedDevice& device);

}  // namespace blkrewind
