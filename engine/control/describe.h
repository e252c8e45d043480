// The journal's records as the values of blkrewind/info.h. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "blkrewind/info.h"
#include "control/catalog/catalog.h"
#include "operations/operations.h"

namespace blkrewind::control {

[[nodiscard]] SnapshotInfo describe_snapshot(const DiskView& view,
                                             const format::SnapshotRecord& snapshot);

// `attachment`, `reset`: the catalog's rows of the disk, where it has them.
[[nodiscard]] DiskInfo describe_disk(const DiskView& view,
                                     const std::optional<Attachment>& attachment,
                                     const std::optional<ResetRow>& reset);

// Of the disk's snapshots; null when there is none of that number (0, or deleted meanwhile).
[[nodiscard]] const format::SnapshotRecord* snapshot_of(const DiskView& view,
                                                        format::SnapshotNumber number);

}  // namespace blkrewind::control
