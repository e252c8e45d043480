// A disk's device, checked and opened so that nobody else is on it.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "io/env.h"

namespace blkrewind {

struct OpenedDevice {
  std::unique_ptr<io::File> file;
  io::DeviceInfo info;
  std::string recognised_by;  // what says that it is the disk's
};

enum class DeviceUse : std::uint8_t {
  kRead,   // snapshot, diff, plan
  kWrite,  // rollback: also refused when read-only, or when the store lives on it
  kPlan,   // a rollback's dry run: refused like kWrite, opened like kRead
};

// kPrecondition, with a hint, when the device cannot be used now: it is in use, or read-only, or
// another device than the one that was registered, a file of the store itself, or the store lives
// on it. Touches nothing. Gives what the device is recognised by.
[[nodiscard]] Result<std::string> check_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const io::DeviceInfo& info, DeviceUse use);

// There is nothing any more where the disk was seen last.
[[nodiscard]] Error device_gone(const format::DiskRecord& disk, const std::string& path);

// Whether a folder is the store's or lies in it: what is in there would be part of what it is kept
// in. A folder that cannot be looked at is not the store's, which is open.
[[nodiscard]] bool is_in_store(io::Env& env, const std::string& store_path, std::string folder);

// Probes, checks, opens exclusively, and looks again at the size of what was opened. kNotFound when
// the device is gone.
[[nodiscard]] Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                               const format::DiskRecord& disk,
                                               const std::string& path, DeviceUse use);

}  // namespace blkrewind
