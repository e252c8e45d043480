// Freeing the space that only one snapshot uses.
//
//   1. count   walk the extents that only it uses; nothing is changed
//   2. mark    log: the snapshot is deleting, the segments' live bytes are reduced
//              <- from here on it is gone
//   3. punch   chunks, flush; then nodes level by level from the leaves up, flush after each
//   4. finish  log: out of the lineage graph, empty segments removed; then their files
//
// After a power cut before 2, nothing happened. After 2, finish_delete() repeats 3 and 4: punching
// is idempotent, and because a node is punched only after everything below it was punched and
// flushed, a node that cannot be read has nothing left below it. After 4, files that were not
// removed yet are orphans.
//
// On a full file system: the records of 2 and 4 use the log's reserve (home/log_reserve.h), and
// the space freed by 3 refills it. If even punching a hole needs space (a copy-on-write file
// system) and fails, the snapshot stays deleting, and repeating the command continues.
//
// The caller holds the lock of the snapshot's disk.
#pragma once

#include <cstdint>
#include <functional>

#include "blkrewind/error.h"
#include "format/records.h"
#include "store/history.h"

namespace blkrewind::store {

// Steps 1 to 4. Returns the number of bytes freed. kBusy: the snapshot is open for reading.
// `extra`: entries that take effect with step 2.
[[nodiscard]] Result<std::uint64_t> delete_snapshot(History& history, format::SnapshotNumber number,
                                                    const format::Transaction& extra = {});
// Steps 3 and 4 for a snapshot that is deleting. Returns by how many bytes the segment files have
// shrunk.
[[nodiscard]] Result<std::uint64_t> finish_delete(History& history, format::SnapshotNumber number);
// For a snapshot that was never completed (progressing, failed): removes its record.
[[nodiscard]] Status forget_unfinished(History& history, format::SnapshotNumber number);
// Removes segments of which nothing is needed, first from the table, then their files. Does nothing
// while a snapshot is deleting, because its walk may still need their nodes. Returns the number of
// bytes that the files occupied.
[[nodiscard]] Result<std::uint64_t> remove_empty_segments(History& history);

}  // namespace blkrewind::store
