// Whether a device is the one that was registered.
//
// A path is only where a disk was seen last: /dev/sdb may be another disk after a reboot,
// /dev/loop0 after the next losetup, and inode numbers are reused. Writing to the wrong device
// destroys it. Identity is therefore proven by evidence or not assumed at all, layer by layer
// (device_info.h):
//
//   layer      proves                          disproves                   only hints
//   any        -                               another kind of layer       size, path, content
//   disk       WWN; serial + model + unit      any of these differs or     -
//                                              is missing
//   dm         dm UUID                         dm UUID differs             name
//   md         md UUID                         md UUID differs             -
//   partition  the disk below it is proven,    the disk below is another;  size
//              and number, start and           number, start or PARTUUID
//              PARTUUID (if any) are equal     differs
//   loop       its file, or the device below,  either differs              node
//              and offset and limit; if the
//              file is not visible (deleted)
//              its inode and, in one boot,
//              diskseq
//   file       file system UUID (btrfs: and    any of these differs        path
//              subvolume), inode, and
//              generation or birth time
//   nameless   diskseq in one boot             diskseq in one boot         place, size, UUIDs
//
// nameless: a disk without WWN and serial number, a dm or md device without UUID, and a disk whose
// hardware id another device reports too (shared_hardware). In a later boot it is recognised, which
// is less than proof, if place, size and all known UUIDs of its content are found again and no
// other attached device matches.
//
// Facts for and against are a contradiction: an image file whose file system is now on another
// device (a cloned medium), a PARTUUID that has moved. Content neither proves nor disproves
// identity: a rollback is often needed just because of mkfs, wipefs or a new partition table.
//
// A record of an older version (Layer::kUnknown) is compared by the fields it has, and the size
// must be equal; missing fields prove nothing (identity_old.cc).
//
// Pure; any thread. engine/operations/recognise.h checks that no two attached devices match the
// same disk.
#pragma once

#include <cstdint>
#include <string>

#include "host/device_info.h"

namespace blkrewind::host {

enum class Verdict : std::uint8_t {
  kSame,           // proven
  kRecognised,     // nameless, found at the same place; valid if no other device matches
  kWeak,           // hints only
  kContradictory,  // facts for it and against it
  kDifferent,      // proven to be another one, or nothing indicates that it is the same
};

struct Judgement {
  Verdict verdict = Verdict::kDifferent;
  // kSame, kRecognised: the evidence, a noun ("its serial number S1"). Otherwise a clause that
  // names the facts then and now.
  std::string why;
  // kDifferent because nothing indicates that it is the same, not because a fact disproves it.
  bool unproven = false;
};

// The recorded state of a device.
struct KnownDevice {
  DeviceKind kind = DeviceKind::kFile;
  std::string path;
  std::uint64_t size_bytes = 0;
  std::int64_t registered_at = 0;  // seconds since the epoch
  DeviceIdentity identity;
};

[[nodiscard]] Judgement judge(const DeviceInfo& now, const KnownDevice& then);

// Both report the same hardware id in one of their layers; they may still be two devices.
[[nodiscard]] bool same_hardware_id(const DeviceIdentity& a, const DeviceIdentity& b);

}  // namespace blkrewind::host
