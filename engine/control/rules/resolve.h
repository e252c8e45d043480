// What a SNAPSHOT that a user wrote means: an id, a name, or "latest".
//
// Pure, over the journal's views; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "format/records.h"
#include "operations/operations.h"

namespace blkrewind::control {

struct FoundSnapshot {
  const DiskView* disk = nullptr;  // points into the views that were searched
  const format::SnapshotRecord* snapshot = nullptr;
};

// For a disk: an id of any disk; else a name among its own snapshots (of several the newest, one
// that is accomplished before one that is not); else a name that one other disk has alone, so that
// the rule Mismatch can say so. "latest": the accomplished one that was taken last of the device;
// where none was taken, the one imported last. Never an undo snapshot.
[[nodiscard]] std::optional<FoundSnapshot> find_snapshot(const std::vector<DiskView>& views,
                                                         format::DiskNumber disk,
                                                         const std::string& text);

// Without a disk: an id; else a name that occurs once, or once among those that are accomplished;
// "latest" when there is but one disk.
// Errors: kNotFound (InvalidSnapshotId.NotFound); kInvalidArgument - ambiguous, the remedy lists
// the ids.
[[nodiscard]] Result<FoundSnapshot> find_snapshot_anywhere(const std::vector<DiskView>& views,
                                                           const std::string& text);

// A snapshot whose delete was cut off, by id or by name: for the delete that finishes it. nullopt
// also when several have the name.
[[nodiscard]] std::optional<FoundSnapshot> find_deleting(const std::vector<DiskView>& views,
                                                         const std::string& text);

// By the order in which the journal took them, which numbers follow: times come from a clock that
// can be set, and an import may have any.
[[nodiscard]] bool is_older(const format::SnapshotRecord& a, const format::SnapshotRecord& b);

}  // namespace blkrewind::control
