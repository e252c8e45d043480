// Gathers the facts that reset_rules.h decides on: from the log's view of a disk, the catalog,
// and the state of the device in the kernel. Reads only; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "control/catalog/catalog.h"
#include "control/rules/reset_rules.h"
#include "format/records.h"
#include "io/env.h"
#include "operations/operations.h"

namespace blkrewind::control {

// The request; see ResetFacts for the fields.
struct ResetRequest {
  std::string target;
  std::string snapshot_text;
  bool continues_pending = false;
  bool api_dry_run = false;
};

// The objects that the names of a request refer to.
struct ResetFound {
  std::optional<DiskView> disk;
  std::string path;  // of the disk's device
  std::optional<format::SnapshotRecord> snapshot;
};

struct FactSources {
  io::Env* env = nullptr;
  Catalog* catalog = nullptr;
  bool accept_available = false;
  std::int64_t now = 0;  // seconds since the epoch
};

// The current state of the device. Both are empty if there is none at the path or a different one
// than `disk`: Operations::check_device refuses that, and names the difference.
struct DeviceNow {
  std::optional<std::uint64_t> size_bytes;
  std::vector<host::UsedBy> used_by;
};
[[nodiscard]] DeviceNow observe_device(io::Env& env, const format::DiskRecord& disk,
                                       const std::string& path);

// A rollback of the disk was accepted, and the accepting process holds the disk. One whose disk no
// process holds was left by a crash, and blocks nothing.
[[nodiscard]] bool waits_for_reset(const DiskView& view);

// The real status of a snapshot: one whose process died has failed, whatever the log says.
[[nodiscard]] SnapshotStatus status_now(const format::SnapshotRecord& snapshot, bool disk_locked);

// Errors: the catalog's.
[[nodiscard]] Result<ResetFacts> gather_facts(const FactSources& sources,
                                              const ResetRequest& request, const ResetFound& found);

}  // namespace blkrewind::control
