#include "io/identity.h"

#include <array>
#include <optional>
#include <string_view>

namespace blkrewind::io {
namespace {

using Difference = std::optional<std::string>;  // nothing: the same

std::string shown(const std::string& value) { return value.empty() ? "unknown" : value; }

std::string then_and_now(std::string_view what, const std::string& then, const std::string& now) {
  return std::string(what) + " was " + shown(then) + " when it was registered and is " +
         shown(now) + " now";
}

std::string backing_name(const DeviceIdentity& identity) {
  if (identity.backing_id == FileId{}) {
    return {};
  }
  const std::string where = identity.backing_id.inode == 0
                                ? "device number " + std::to_string(identity.backing_id.device)
                                : "inode " + std::to_string(identity.backing_id.inode);
  return identity.backing_file.empty() ? where : identity.backing_file + " (" + where + ")";
}

// Known then and found again; nothing when nothing was known.
std::optional<bool> content_matches(const DeviceIdentity& then, const DeviceIdentity& now) {
  std::optional<bool> matches;
  for (const auto uuid : {&DeviceIdentity::table_uuid, &DeviceIdentity::filesystem_uuid}) {
    if (!(then.*uuid).empty()) {
      matches = matches.value_or(false) || then.*uuid == now.*uuid;
    }
  }
  return matches;
}

Difference content_difference(const DeviceIdentity& then, const DeviceIdentity& now) {
  if (content_matches(then, now).value_or(true)) {
    return std::nullopt;
  }
  return then.table_uuid.empty()
             ? then_and_now("nothing but its content tells it apart, and the file system's UUID",
                            then.filesystem_uuid, now.filesystem_uuid)
             : then_and_now(
                   "nothing but its content tells it apart, and the partition table's UUID",
                   then.table_uuid, now.table_uuid);
}

Difference backing_difference(DeviceKind kind, const DeviceIdentity& then,
                              const DeviceIdentity& now) {
  const std::string_view what = kind == DeviceKind::kFile ? "the image file" : "its backing file";
  const bool same_file =
      then.backing_id.inode != 0
          ? then.backing_id.inode == now.backing_id.inode
          : now.backing_id.inode == 0 && then.backing_id.device != 0 && now.backing_id.device != 0;
  if (!same_file) {
    return then_and_now(what, backing_name(then), backing_name(now));
  }
  if (then.backing_offset != now.backing_offset) {
    return then_and_now("its offset in the backing file", std::to_string(then.backing_offset),
                        std::to_string(now.backing_offset));
  }
  if (then.backing_id.device == now.backing_id.device) {
    return std::nullopt;
  }
  if (then.backing_file != now.backing_file) {
    return then_and_now(what, backing_name(then), backing_name(now));
  }
  return content_difference(then, now);
}

struct Fact {
  std::string_view what;
  std::string DeviceIdentity::*value;
};
constexpr std::array<Fact, 4> kStableFacts = {{
    {"its serial number", &DeviceIdentity::serial},
    {"its WWN", &DeviceIdentity::wwn},
    {"its device-mapper UUID", &DeviceIdentity::dm_uuid},
    {"its partition UUID", &DeviceIdentity::partition_uuid},
}};

Difference difference(const DeviceInfo& device, DeviceKind then_kind, const DeviceIdentity& then) {
  const DeviceIdentity& now = device.identity;
  if (device.kind != then_kind) {
    return then_kind == DeviceKind::kFile
               ? "it was an image file when it was registered and is a block device now"
               : "it was a block device when it was registered and is an image file now";
  }
  bool has_stable_fact = false;
  for (const Fact& fact : kStableFacts) {
    const std::string& known = then.*fact.value;
    if (known.empty()) {
      continue;
    }
    if (known != now.*fact.value) {
      return then_and_now(fact.what, known, now.*fact.value);
    }
    has_stable_fact = true;
  }
  if (then.backing_id != FileId{} || now.backing_id != FileId{}) {
    return backing_difference(then_kind, then, now);
  }
  if (has_stable_fact) {
    return std::nullopt;
  }
  const bool same_boot = !then.boot_id.empty() && then.boot_id == now.boot_id;
  if (same_boot && then.diskseq != 0 && now.diskseq != 0) {
    if (then.diskseq == now.diskseq) {
      return std::nullopt;
    }
    return "it was detached and another device took its name (diskseq " +
           std::to_string(then.diskseq) + " then, " + std::to_string(now.diskseq) + " now)";
  }
  return content_difference(then, now);
}

}  // namespace

IdentityCheck compare_identity(const DeviceInfo& now, DeviceKind then_kind,
                               const DeviceIdentity& then) {
  const Difference found = difference(now, then_kind, then);
  if (!found) {
    return {.same = true, .difference = {}};
  }
  return {.same = false, .difference = *found};
}

bool same_known_device(const DeviceInfo& now, DeviceKind then_kind, const DeviceIdentity& then) {
  const bool stable = !then.serial.empty() || !then.wwn.empty() || !then.dm_uuid.empty() ||
                      !then.partition_uuid.empty() || then.backing_id != FileId{};
  return stable && compare_identity(now, then_kind, then).same;
}

}  // namespace blkrewind::io
