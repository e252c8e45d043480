// Snapshots as exports of NBD: how they are named, described, and asked for.
//
//   d-0821uk4zkywki49m21/before   a snapshot by disk and name: so they are listed
//   s-px2kfrh09y7d7a7uje          by id: so those without a name are listed
//   before, latest                of all disks, or of the one that is served
//
// An export name comes from the network: no path is taken from it, and what is not printable is
// refused before it reaches a log. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "blkrewind/error.h"
#include "blkrewind/info.h"

namespace blkrewind::nbd {

// In the words of Engine::open_snapshot().
struct Wanted {
  std::string snapshot;
  std::string disk_id;  // empty: any disk
  // "latest" may be another snapshot for the next connection.
  [[nodiscard]] bool may_move() const { return snapshot == "latest"; }
};

// `only_disk`: the id of the disk that is served; empty: all. kInvalidArgument: not a name as
// above; kNotFound: of another disk.
[[nodiscard]] Result<Wanted> wanted(std::string_view export_name, const std::string& only_disk);

// What names this snapshot and no other.
[[nodiscard]] std::string export_name(const SnapshotInfo& snapshot);

// "snapshot s-... of d-..., 1 GiB, 2026-11-30 16:40:09 UTC: before the upgrade"
[[nodiscard]] std::string description(const SnapshotInfo& snapshot);

// Error and remedy in one line.
[[nodiscard]] std::string line_of(const Error& error);

// What a connection that cannot be opened ends with: ENOENT, EBUSY, EINVAL, ENOTSUP, ENOMEM or EIO.
[[nodiscard]] int errno_of_open(const Error& error);

// For reads. EIO, whatever is missing: a client must not take it for a mistake of its own.
[[nodiscard]] int errno_of_read(const Error& error);

}  // namespace blkrewind::nbd
