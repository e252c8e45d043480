// Records of versions before layers: flat, a partition with its disk's serial number. The recorded
// fields are compared. The size must be equal as well, because a serial number alone did not
// distinguish a partition from its disk.
#include <array>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "host/identity_words.h"

namespace blkrewind::host {
namespace {

// No disk was registered before 2024-01-01: a record that says so was made before the clock was
// set, and is no older or younger than anything.
constexpr std::int64_t kFirstRegistration = 1'704'067'200;

// What the older version would have recorded of this device.
DeviceIdentity flat(const DeviceIdentity& now) {
  DeviceIdentity old = now;
  if (now.layer == Layer::kPartition && !now.below.empty()) {
    const DeviceIdentity& disk = now.below.front();
    old.serial = disk.serial;
    old.wwn = disk.wwn;
    old.dm_uuid = disk.dm_uuid;
    old.md_uuid = disk.md_uuid;
    old.birth_ns = disk.birth_ns;
  }
  if (old.wwn.empty() && !old.md_uuid.empty()) old.wwn = "md:" + old.md_uuid;
  return old;
}

Judgement judge_old_file(const DeviceIdentity& then, std::int64_t registered_at,
                         const DeviceIdentity& now) {
  if (then.backing_id.inode != now.backing_id.inode || now.backing_id.inode == 0) {
    return different(then_and_now("the file", backing_name(then), backing_name(now)));
  }
  if (then.backing_offset != now.backing_offset) {
    return different(then_and_now("its offset in the backing file",
                                  std::to_string(then.backing_offset),
                                  std::to_string(now.backing_offset)));
  }
  const bool timed = registered_at >= kFirstRegistration;
  if (timed && now.birth_ns / kNanosecondsInSecond > registered_at) {
    return different("inode " + std::to_string(now.backing_id.inode) +
                     " was reused: the file was created after the disk was registered");
  }
  const std::string& path_then = then.backing_file.empty() ? then.place : then.backing_file;
  const std::string& path_now = now.backing_file.empty() ? now.place : now.backing_file;
  const bool same_place = path_then == path_now && then.backing_id.device == now.backing_id.device;
  if (same_place && !timed && then.size_bytes == now.size_bytes) {
    return {Verdict::kRecognised,
            "inode " + std::to_string(now.backing_id.inode) +
                ", path and size, recorded before the clock was set",
            false};
  }
  if (same_place && now.birth_ns != 0 && then.size_bytes == now.size_bytes) {
    return same("inode " + std::to_string(now.backing_id.inode) +
                " under its path, older than the record of it");
  }
  return weak("an older version recorded only " + backing_name(then) + " of " +
              std::to_string(then.size_bytes) + " bytes; now it is " + backing_name(now) + " of " +
              std::to_string(now.size_bytes) + " bytes");
}

struct OldFact {
  std::string_view what;
  std::string DeviceIdentity::*value;
};
constexpr std::array<OldFact, 4> kFacts = {{
    {"its serial number", &DeviceIdentity::serial},
    {"its WWN", &DeviceIdentity::wwn},
    {"its device-mapper UUID", &DeviceIdentity::dm_uuid},
    {"its partition UUID", &DeviceIdentity::partition_uuid},
}};

}  // namespace

Judgement judge_old(const DeviceIdentity& then, DeviceKind kind, std::int64_t registered_at,
                    const DeviceIdentity& now) {
  if (kind == DeviceKind::kFile) return judge_old_file(then, registered_at, now);
  const DeviceIdentity flat_now = flat(now);
  std::string proof;
  for (const OldFact& fact : kFacts) {
    const std::string& known = then.*fact.value;
    if (known.empty()) continue;
    if (known != flat_now.*fact.value) {
      return different(then_and_now(fact.what, known, flat_now.*fact.value));
    }
    proof += (proof.empty() ? "" : " and ") + std::string(fact.what) + " " + known;
  }
  if ((then.backing_id == FileId{}) != (flat_now.backing_id == FileId{})) {
    return different(then_and_now("its backing file", backing_name(then), backing_name(flat_now)));
  }
  const bool is_partition = now.layer == Layer::kPartition;
  if (is_partition && then.partition_uuid.empty()) {
    // The disk, or a partition without a UUID: the record does not distinguish them.
    return then.size_bytes == now.size_bytes
               ? weak("an older version did not record whether it was " + then.place +
                      " or a partition, and it is partition " +
                      std::to_string(now.partition_number) + " now")
               : different("it is a partition of another size than the registered one: " +
                           std::to_string(then.size_bytes) + " bytes then, " +
                           std::to_string(now.size_bytes) + " bytes now");
  }
  if (then.backing_id.inode != 0) return judge_old_file(then, registered_at, flat_now);
  if (then.size_bytes != now.size_bytes) {
    return proof.empty() && then.place != now.place
               ? different(then_and_now("its size", std::to_string(then.size_bytes) + " bytes",
                                        std::to_string(now.size_bytes) + " bytes"))
               : weak("an older version recorded " + (proof.empty() ? then.place : proof) +
                      ", and " +
                      then_and_now("its size", std::to_string(then.size_bytes) + " bytes",
                                   std::to_string(now.size_bytes) + " bytes"));
  }
  // A partition UUID alone is in every copy of the table.
  const bool names_hardware = !then.serial.empty() || !then.wwn.empty() || !then.dm_uuid.empty();
  if (names_hardware) return same(proof + " and size");
  if (then.backing_id != FileId{} && then.backing_id.device != flat_now.backing_id.device) {
    return different(
        then_and_now("the device below it", backing_name(then), backing_name(flat_now)));
  }
  return judge_nameless(then, flat_now);
}

}  // namespace blkrewind::host
