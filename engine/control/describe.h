// Converts the log's records to the values of blkrewind/info.h. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "blkrewind/info.h"
#include "control/catalog/catalog.h"
#include "operations/operations.h"

namespace blkrewind::control {

[[nodiscard]] SnapshotInfo describe_snapshot(const DiskView& view,
                                             const format::SnapshotRecord& snapshot);

// `attachment`: the row of the disk in the catalog, if any.
[[nodiscard]] DiskInfo describe_disk(const DiskView& view,
                                     const std::optional<Attachment>& attachment);

// Among the disk's snapshots; null if none has that number (0, or deleted meanwhile).
[[nodiscard]] const format::SnapshotRecord* snapshot_of(const DiskView& view,
                                                        format::SnapshotNumber number);

}  // namespace blkrewind::control
