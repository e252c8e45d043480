// Is this device the one that was registered?
//
// A path is where a disk was seen last, not who it is: /dev/sdb is another disk after a reboot,
// /dev/loop0 after the next losetup, and an inode number is used again. Writing onto the wrong one
// destroys it. So sameness is proven by evidence or not at all, layer by layer (device_info.h):
//
//   layer      proves                          disproves                   only hints
//   any        -                               another kind of layer       size, path, content
//   disk       WWN; serial + model + unit      any of these that differs   -
//                                              or is not there any more
//   dm         dm UUID                         dm UUID differs             name
//   md         md UUID                         md UUID differs             -
//   partition  the disk below it, as it is     the disk below is another;  size
//              proven, and number, start and   number, start or PARTUUID
//              PARTUUID (where there is one)   differs
//   loop       its file, or the device below,  either differs              node
//              and offset and limit; of a file
//              that is not to be seen (deleted)
//              its inode and, in one boot,
//              diskseq
//   file       file system UUID (btrfs: and    any of these differs        path
//              subvolume), inode, and
//              generation or time of birth
//   nameless   diskseq in one boot             diskseq in one boot         place, size, UUIDs
//
// nameless: a disk without WWN and serial number, dm or md without UUID, and a disk whose hardware
// id another one reports too (shared_hardware). In another boot it is recognised, which is less
// than proof, when place, size and all UUIDs of its content that were known are found again and no
// other device that is attached looks like it.
//
// Facts for and against are a contradiction: an image file whose file system is on another device
// now (a cloned medium), a PARTUUID that has moved. mkfs, wipefs and a new partition table are what
// a rollback is for: content never overrules proof, and never is proof.
//
// The record of an older program (Layer::kUnknown) is compared on what it has, and its size must be
// the same; what it did not record is not proof (identity_old.cc).
//
// Pure; any thread. That no two attached devices are the same disk is asked in
// engine/operations/recognise.h.
#pragma once

#include <cstdint>
#include <string>

#include "host/device_info.h"

namespace blkrewind::host {

enum class Verdict : std::uint8_t {
  kSame,           // proven
  kRecognised,     // nameless, found again where it was; good if no other device looks like it
  kWeak,           // hints only
  kContradictory,  // facts for it and against it
  kDifferent,      // proven, or nothing at all says that it is the one
};

struct Judgement {
  Verdict verdict = Verdict::kDifferent;
  // kSame, kRecognised: what it rests on, a noun ("its serial number S1"). Otherwise a clause that
  // names the facts then and now.
  std::string why;
  // kDifferent because nothing says that it is the one, not because something says that it is not.
  bool unproven = false;
};

// A device as it was recorded.
struct KnownDevice {
  DeviceKind kind = DeviceKind::kFile;
  std::string path;
  std::uint64_t size_bytes = 0;
  std::int64_t registered_at = 0;  // seconds since the epoch
  DeviceIdentity identity;
};

[[nodiscard]] Judgement judge(const DeviceInfo& now, const KnownDevice& then);

// Both report the same hardware id in one of their layers: they may still be two devices.
[[nodiscard]] bool same_hardware_id(const DeviceIdentity& a, const DeviceIdentity& b);

}  // namespace blkrewind::host
