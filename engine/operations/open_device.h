// A disk's device, checked and opened so that nobody else is on it.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "io/env.h"

namespace blkrewind {

enum class DeviceUse : std::uint8_t {
  kRead,   // snapshot, diff, plan
  kWrite,  // rollback: also refused when read-only, or when the store lives on it
  kPlan,   // a rollback's dry run: refused like kWrite, opened like kRead
};

struct OpenedDevice {
  std::unique_ptr<io::File> file;
  host::DeviceInfo info;      // as it was judged
  std::string recognised_by;  // what says that it is the disk's
  DeviceUse use = DeviceUse::kRead;
};

// kPrecondition, with a remedy, when the device cannot be used now: it is in use, or read-only, or
// another device than the one that was registered, a file of the store itself, or the store lives
// on it. Touches nothing. Gives what the device is recognised by.
[[nodiscard]] Result<std::string> check_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const host::DeviceInfo& info, DeviceUse use);

// There is nothing any more where the disk was seen last.
[[nodiscard]] Error device_gone(const format::DiskRecord& disk, const std::string& path);

// Whether a folder is the store's or lies in it: what is in there would be part of what it is kept
// in. A folder that cannot be looked at is not the store's, which is open.
[[nodiscard]] bool is_in_store(io::Env& env, const std::string& store_path, std::string folder);

// Whether the device is free: what check_device() says without knowing the disk. An image that is
// imported is asked so.
[[nodiscard]] Status check_free(const host::DeviceInfo& info);

// What the path is now and who uses it, also for writing, without holding it.
[[nodiscard]] Result<host::DeviceInfo> look_at(io::Env& env, const std::string& path);

// Opens exclusively, then judges what was opened, whatever the path meant before or means by then,
// and settles what other nodes cache of it; it is held from here on. kNotFound when the device is
// gone.
[[nodiscard]] Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const std::string& path, DeviceUse use);

// Judges an open device once more: it is still the same, of the same size, under the same name, and
// nothing else has begun to use it. Before the first write, and before what was read counts:
// a loop device can be given another file or offset while it is held, and an image file another
// name.
[[nodiscard]] Status recheck_device(io::Env& env, const std::string& store_path,
                                    const format::DiskRecord& disk, const OpenedDevice& device);

// A file or device that is no disk, to be imported: opened for reading, held and judged like one.
[[nodiscard]] Result<OpenedDevice> open_image(io::Env& env, const std::string& path);
[[nodiscard]] Status recheck_free(io::Env& env, const OpenedDevice& device);

}  // namespace blkrewind
