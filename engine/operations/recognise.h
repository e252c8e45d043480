// Which disk of the store a device is: applies host/identity.h to every record, and to every
// attached device, because two devices that match one disk are both refused.
#pragma once

#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "format/records.h"
#include "host/identity.h"
#include "io/env.h"
#include "store/state.h"

namespace blkrewind {

[[nodiscard]] host::Judgement judge(const host::DeviceInfo& device, const format::DiskRecord& disk);

// The device is certainly the disk's: proven, or recognised by the rule for nameless devices.
[[nodiscard]] bool is_certain(host::Verdict verdict);

struct Recognised {
  format::DiskRecord disk;
  std::string by;  // the evidence, a noun
};

// The disk that the device is; none if it is proven to be none of them, or nothing indicates that
// it is one. kPrecondition, naming both facts and the possible remedies: weak or contradictory
// evidence; another attached device that matches the same disk; two disks that both match.
[[nodiscard]] Result<std::optional<Recognised>> recognise(io::Env& env, const store::State& state,
                                                          const host::DeviceInfo& device);

enum class Alone : std::uint8_t {
  kAlways,
  // Not checked for the attachment that was registered: no snapshot can be of another device then.
  kUnlessJustRegistered,
};

// The same for one disk: the evidence that identified the device, or kPrecondition if it is not
// certainly that disk's.
[[nodiscard]] Result<std::string> need_same(io::Env& env, const format::DiskRecord& disk,
                                            const host::DeviceInfo& device, Alone alone);

// The other attached device, or the other file, that matches the same disk.
[[nodiscard]] Result<std::optional<std::string>> other_match(io::Env& env,
                                                             const format::DiskRecord& disk,
                                                             const host::DeviceInfo& device,
                                                             host::Verdict verdict);

// Where the disk's device is now.
struct Presence {
  std::optional<bool> attached;  // empty: unknown
  std::string path;              // its path; the path where it was seen last if it is not attached
};
// Checks the path where it was seen last, then the attached devices.
[[nodiscard]] Presence find_device(io::Env& env, const format::DiskRecord& disk);

// The record updated with the path and the current evidence of the device.
[[nodiscard]] format::DiskRecord as_seen(format::DiskRecord disk, const host::DeviceInfo& device);

// Compares every layer.
void mark_shared(host::DeviceIdentity& identity);
[[nodiscard]] bool is_shared(const host::DeviceIdentity& identity);

}  // namespace blkrewind
