// Gathers what reset_rules.h decides on: from the journal's view of a disk, the catalog, and the
// kernel's truth about the device. Reads only; any thread.
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

// Who asks for what; see ResetFacts for the fields.
struct ResetRequest {
  std::string target;
  std::string snapshot_text;
  bool continues_pending = false;
  bool api_dry_run = false;
};

// What the names of a request were found to mean.
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

// The device as it is now. Both are empty when there is none under the path or another one than
// `disk`: that refusal is Operations::check_device's, which names the difference.
struct DeviceNow {
  std::optional<std::uint64_t> size_bytes;
  std::vector<host::UsedBy> used_by;
};
[[nodiscard]] DeviceNow observe_device(io::Env& env, const format::DiskRecord& disk,
                                       const std::string& path);

// A rollback of the disk was accepted, and who accepted it holds the disk. One that nobody holds is
// what a crash left, and stands in nobody's way.
[[nodiscard]] bool waits_for_reset(const DiskView& view, const std::optional<ResetRow>& reset);

// A snapshot's status as it is: one whose process died is failed, whatever the journal still says.
[[nodiscard]] SnapshotStatus status_now(const format::SnapshotRecord& snapshot, bool disk_locked);

// Errors: the catalog's.
[[nodiscard]] Result<ResetFacts> gather_facts(const FactSources& sources,
                                              const ResetRequest& request, const ResetFound& found);

}  // namespace blkrewind::control
