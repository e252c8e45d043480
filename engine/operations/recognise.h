// Which disk of the store a device is: the judgement of io/identity.h asked of every record, and of
// every attached device, since two that match one disk are refused, whichever is asked for.
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

// The disk's device for certain: proven, or recognised by the rule for nameless ones.
[[nodiscard]] bool is_certain(host::Verdict verdict);

struct Recognised {
  format::DiskRecord disk;
  std::string by;  // what it rests on, a noun
};

// The disk that the device is; none when it is proven to be none of them, or nothing says that it
// is one. kPrecondition, both facts named and with the ways on: evidence that is weak or
// contradicts itself; another attached device that is the same disk by all evidence; two disks that
// it is both.
[[nodiscard]] Result<std::optional<Recognised>> recognise(io::Env& env, const store::State& state,
                                                          const host::DeviceInfo& device);

enum class Alone : std::uint8_t {
  kAlways,
  // Not asked of the very attachment that was registered: then no snapshot can have been another's.
  kUnlessJustRegistered,
};

// The same for one disk: what the device is recognised by, or kPrecondition when it is not for
// certain that disk's.
[[nodiscard]] Result<std::string> need_same(io::Env& env, const format::DiskRecord& disk,
                                            const host::DeviceInfo& device, Alone alone);

// The other attached device, or the other file, that is the same disk by all evidence.
[[nodiscard]] Result<std::optional<std::string>> other_match(io::Env& env,
                                                             const format::DiskRecord& disk,
                                                             const host::DeviceInfo& device,
                                                             host::Verdict verdict);

// Where the disk's device is now.
struct Presence {
  std::optional<bool> attached;  // nothing: it cannot be told
  std::string path;              // where it is; where it was seen last when it is not attached
};
// Looks where it was seen last, then among the attached devices.
[[nodiscard]] Presence find_device(io::Env& env, const format::DiskRecord& disk);

// The record as it is after the device was seen: its path and the evidence of now.
[[nodiscard]] format::DiskRecord as_seen(format::DiskRecord disk, const host::DeviceInfo& device);

// In every layer.
void mark_shared(host::DeviceIdentity& identity);
[[nodiscard]] bool is_shared(const host::DeviceIdentity& identity);

}  // namespace blkrewind
