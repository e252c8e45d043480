// Resolves the SNAPSHOT argument of a user: an id, a name, or "latest".
//
// Pure, over the log's views; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "format/records.h"
#include "operations/operations.h"

namespace blkrewind::control {

struct FoundSnapshot {
  const DiskView* disk = nullptr;  // points into the searched views
  const format::SnapshotRecord* snapshot = nullptr;
};

// For a disk: an id of any disk; otherwise a name among its own snapshots (of several the newest,
// an accomplished one before others); otherwise a name that exactly one other disk has, so that the
// rule Mismatch can report it. "latest": the accomplished snapshot that was taken last of the
// device; if none was taken, the one imported last. Never an undo snapshot.
[[nodiscard]] std::optional<FoundSnapshot> find_snapshot(const std::vector<DiskView>& views,
                                                         format::DiskNumber disk,
                                                         const std::string& text);

// Without a disk: an id; otherwise a name that occurs once, or once among the accomplished ones;
// "latest" if there is only one disk. Errors: kNotFound (InvalidSnapshotId.NotFound);
// kInvalidArgument - ambiguous, the remedy lists the ids.
[[nodiscard]] Result<FoundSnapshot> find_snapshot_anywhere(const std::vector<DiskView>& views,
                                                           const std::string& text);

// A snapshot whose delete was interrupted, by id or by name: for the delete that finishes it.
// nullopt also if several have the name.
[[nodiscard]] std::optional<FoundSnapshot> find_deleting(const std::vector<DiskView>& views,
                                                         const std::string& text);

// In the order in which the log recorded them, that is, by number: times come from a clock that
// can be set, and an import may have any.
[[nodiscard]] bool is_older(const format::SnapshotRecord& a, const format::SnapshotRecord& b);

}  // namespace blkrewind::control
