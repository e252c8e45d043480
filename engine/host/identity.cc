#include "host/identity.h"

#include <optional>
#include <utility>

#include "host/identity_words.h"

namespace blkrewind::host {
namespace {

Judgement judge_layer(const DeviceIdentity& then, const DeviceIdentity& now, int depth);

std::string number(std::uint64_t value) { return std::to_string(value); }

// The layers below, if both are known.
std::optional<Judgement> judge_below(const DeviceIdentity& then, const DeviceIdentity& now,
                                     int depth) {
  if (then.below.empty() || now.below.empty() || depth <= 1) return std::nullopt;
  return judge_layer(then.below.front(), now.below.front(), depth - 1);
}

// Returns `proven` unless the layer below is proven to be another device: then this is a copy, or
// was moved.
Judgement unless_moved(Judgement proven, const DeviceIdentity& then, const DeviceIdentity& now,
                       int depth) {
  const auto host = judge_below(then, now, depth);
  if (!host || host->verdict != Verdict::kDifferent || host->unproven) return proven;
  return contradictory(proven.why +
                       " is the same, but the device below it is different: " + host->why);
}

bool is_same_attachment(const DeviceIdentity& then, const DeviceIdentity& now) {
  return !then.boot_id.empty() && then.boot_id == now.boot_id && then.diskseq != 0 &&
         then.diskseq == now.diskseq && then.backing_id == now.backing_id;
}

// The inode, for the backing file of a loop device and for an image file.
Judgement judge_inode(const DeviceIdentity& then, const DeviceIdentity& now, int depth) {
  const std::string what = then.layer == Layer::kFile ? "the image file" : "its backing file";
  if (then.backing_id.inode != now.backing_id.inode) {
    return different(then_and_now(what, backing_name(then), backing_name(now)));
  }
  if (!then.host_filesystem.empty() && !now.host_filesystem.empty() &&
      then.host_filesystem != now.host_filesystem) {
    return different(
        then_and_now("the file system of " + what, then.host_filesystem, now.host_filesystem));
  }
  const bool generations = then.generation != 0 && now.generation != 0;
  const bool births = then.birth_ns != 0 && now.birth_ns != 0;
  if (generations && then.generation != now.generation) {
    return different("inode " + number(now.backing_id.inode) + " was reused: " +
                     then_and_now("the generation of " + what, number(then.generation - 1),
                                  number(now.generation - 1)));
  }
  if (births && then.birth_ns != now.birth_ns) {
    return different("inode " + number(now.backing_id.inode) + " was reused: " +
                     then_and_now("the birth time of " + what,
                                  number(static_cast<std::uint64_t>(then.birth_ns)) + " ns",
                                  number(static_cast<std::uint64_t>(now.birth_ns)) + " ns"));
  }
  const bool same_path =
      then.layer == Layer::kFile ? then.place == now.place : then.backing_file == now.backing_file;
  std::string inode = "inode " + number(now.backing_id.inode);
  if (generations) inode += " and its generation";
  if (births) inode += generations ? " and birth time" : " and its birth time";
  if (!generations && !births) {
    if (then.layer == Layer::kLoop && is_same_attachment(then, now)) {
      // While the loop device is attached, the inode is in use, so its number belongs to no other
      // file.
      return same(inode + ", and its attachment in this boot (diskseq " + number(now.diskseq) +
                  ")");
    }
    const std::string known = what + " has the same inode number " + number(now.backing_id.inode) +
                              ", which may have been reused: its file system reports neither "
                              "generation nor birth time";
    if (!then.vouched || !same_path) return weak(known);
    return {Verdict::kRecognised, inode + " and path, confirmed by disk adopt", false};
  }
  if (!then.host_filesystem.empty() && !now.host_filesystem.empty()) {
    return unless_moved(same(inode + " on file system " + now.host_filesystem), then, now, depth);
  }
  const bool same_boot = !then.boot_id.empty() && then.boot_id == now.boot_id;
  if ((same_boot && then.backing_id.device == now.backing_id.device) || same_path) {
    return unless_moved(same(inode + (same_path ? " under its path" : " in this boot")), then, now,
                        depth);
  }
  return weak(what + " has the same " + inode +
              ", but the UUID of its file system is unknown, and its path was " +
              backing_name(then) + " then and is " + backing_name(now) + " now");
}

Judgement judge_loop(const DeviceIdentity& then, const DeviceIdentity& now, int depth) {
  if ((then.backing_id.inode == 0) != (now.backing_id.inode == 0)) {
    return different(then_and_now("its backing file", backing_name(then), backing_name(now)));
  }
  if (then.backing_offset != now.backing_offset) {
    return different(then_and_now("its offset in the backing file", number(then.backing_offset),
                                  number(now.backing_offset)));
  }
  if (then.backing_limit != now.backing_limit) {
    return different(then_and_now("its size limit in the backing file", number(then.backing_limit),
                                  number(now.backing_limit)));
  }
  if (then.backing_id.inode != 0) return judge_inode(then, now, depth);
  // Over a block device: the evidence of that device.
  if (auto below = judge_below(then, now, depth)) {
    below->why = "the device below it: " + below->why;
    return *std::move(below);
  }
  return weak("the device below it cannot be inspected");
}

struct Fact {
  std::string_view what;
  std::string DeviceIdentity::*value;
};

Judgement judge_disk(const DeviceIdentity& then, const DeviceIdentity& now) {
  if (then.unit != now.unit) {
    return different(then_and_now("its part of the hardware", then.unit, now.unit));
  }
  for (const Fact& fact :
       {Fact{"its WWN", &DeviceIdentity::wwn}, Fact{"its serial number", &DeviceIdentity::serial},
        Fact{"its model", &DeviceIdentity::model}}) {
    const std::string& known = then.*fact.value;
    const bool counts = fact.value != &DeviceIdentity::model || !then.serial.empty();
    if (counts && !known.empty() && known != now.*fact.value) {
      return different(then_and_now(fact.what, known, now.*fact.value));
    }
  }
  if (then.shared_hardware || (then.wwn.empty() && then.serial.empty())) {
    return judge_nameless(then, now);
  }
  std::string why = then.wwn.empty() ? "" : "its WWN " + then.wwn;
  if (!then.serial.empty()) {
    why += (why.empty() ? "its serial number " : " and serial number ") + then.serial;
    if (!then.model.empty()) why += " and model " + then.model;
  }
  if (!then.unit.empty()) why += ", " + then.unit;
  return same(why);
}

// `uuid`: the UUID that identifies a volume of this kind.
Judgement judge_volume(const DeviceIdentity& then, const DeviceIdentity& now,
                       std::string DeviceIdentity::*uuid, const std::string& what, int depth) {
  const std::string& known = then.*uuid;
  if (!known.empty() && (now.*uuid).empty() && then.layer == Layer::kMd) {
    // On older kernels it is only in the members' superblocks, which only root can read.
    return weak("its " + what + " was " + known + " when it was registered and cannot be read now");
  }
  if (!known.empty() && known != now.*uuid) {
    return different(then_and_now("its " + what, known, now.*uuid));
  }
  if (!known.empty() && !then.shared_hardware) return same("its " + what + " " + known);
  return unless_moved(judge_nameless(then, now), then, now, depth);
}

Judgement judge_partition(const DeviceIdentity& then, const DeviceIdentity& now, int depth) {
  auto disk = judge_below(then, now, depth);
  if (!disk) return weak("the disk of this partition cannot be inspected");
  disk->why = "the whole disk by " + disk->why;
  if (disk->verdict == Verdict::kDifferent) {
    disk->why =
        "it is a partition of another disk: " + disk->why.substr(sizeof "the whole disk by " - 1);
    return *std::move(disk);
  }
  const bool same_slot = then.partition_number == now.partition_number &&
                         then.partition_start_bytes == now.partition_start_bytes;
  const std::string slot_then =
      number(then.partition_number) + " at byte " + number(then.partition_start_bytes);
  const std::string slot_now =
      number(now.partition_number) + " at byte " + number(now.partition_start_bytes);
  if (!then.partition_uuid.empty() && then.partition_uuid != now.partition_uuid) {
    return different(then_and_now("its partition UUID", then.partition_uuid, now.partition_uuid));
  }
  if (!same_slot) {
    const std::string moved = then_and_now("the partition", slot_then, slot_now);
    if (then.partition_uuid.empty()) return different(moved);
    return contradictory("its partition UUID " + then.partition_uuid + " is the same, but " +
                         moved);
  }
  disk->why += ", partition " + slot_now;
  if (!then.partition_uuid.empty()) disk->why += " with UUID " + then.partition_uuid;
  return *std::move(disk);
}

Judgement judge_layer(const DeviceIdentity& then, const DeviceIdentity& now, int depth) {
  if (then.layer != now.layer) {
    return different(std::string("it was ") + name_of(then.layer) +
                     " when it was registered and is " + name_of(now.layer) + " now");
  }
  switch (then.layer) {
    case Layer::kFile:
      return judge_inode(then, now, depth);
    case Layer::kLoop:
      return judge_loop(then, now, depth);
    case Layer::kPartition:
      return judge_partition(then, now, depth);
    case Layer::kDm:
      return judge_volume(then, now, &DeviceIdentity::dm_uuid, "device-mapper UUID", depth);
    case Layer::kMd:
      return judge_volume(then, now, &DeviceIdentity::md_uuid, "RAID array's UUID", depth);
    case Layer::kDisk:
    case Layer::kUnknown:
      break;
  }
  return judge_disk(then, now);
}

bool has_hardware_id(const DeviceIdentity& identity) {
  return !identity.wwn.empty() || !identity.serial.empty() || !identity.dm_uuid.empty() ||
         !identity.md_uuid.empty();
}

}  // namespace

Judgement judge(const DeviceInfo& now, const KnownDevice& then) {
  if (now.kind != then.kind) {
    return different(then.kind == DeviceKind::kFile
                         ? "it was an image file when it was registered and is a block device now"
                         : "it was a block device when it was registered and is an image file now");
  }
  if (then.identity.layer != Layer::kUnknown) {
    return judge_layer(then.identity, now.identity, kMaxLayers);
  }
  DeviceIdentity old = then.identity;
  old.place = then.path;
  old.size_bytes = then.size_bytes;
  return judge_old(old, then.kind, then.registered_at, now.identity);
}

bool same_hardware_id(const DeviceIdentity& a, const DeviceIdentity& b) {
  const DeviceIdentity* one = &a;
  const DeviceIdentity* other = &b;
  while (true) {
    if (has_hardware_id(*one) && one->layer == other->layer && one->wwn == other->wwn &&
        one->serial == other->serial && one->model == other->model && one->unit == other->unit &&
        one->dm_uuid == other->dm_uuid && one->md_uuid == other->md_uuid) {
      return true;
    }
    if (one->layer != Layer::kPartition || one->layer != other->layer || one->below.empty() ||
        other->below.empty()) {
      return false;
    }
    one = &one->below.front();
    other = &other->below.front();
  }
}

}  // namespace blkrewind::host
