// Giving back what only one snapshot used.
//
//   1. count   walk what is unique; nothing is changed
//   2. mark    journal: the snapshot is deleting, the segments' live bytes are lower   <- it is
//   gone
//   3. punch   chunks, flush; then nodes level by level from the leaves up, flush after each
//   4. finish  journal: out of the graph of kin, empty segments out of the table; then their files
//
// When power goes before 2, nothing happened. After 2, finish_delete() repeats 3 and 4: punching is
// idempotent, and since a node is punched only after all below it was (and that was flushed), a
// node that cannot be read any more has nothing left below it. After 4, files that were not removed
// yet are orphans.
//
// On a full file system: the records of 2 and 4 use the journal's reserve (journal_reserve.h), and
// what 3 gives back fills that again. Where even a hole cannot be punched for want of space (a file
// system that copies its own trees on write), the snapshot stays deleting, and the same command
// given again goes on.
//
// The caller holds the lock of the snapshot's disk.
#pragma once

#include <cstdint>
#include <functional>

#include "blkrewind/error.h"
#include "format/records.h"
#include "store/store.h"

namespace blkrewind::store {

// Steps 1 to 4. Returns the bytes given back. `extra`: entries that become true with step 2.
[[nodiscard]] Result<std::uint64_t> delete_snapshot(Store& store, format::SnapshotNumber number,
                                                    const format::Transaction& extra = {});
// Steps 3 and 4 for a snapshot that is deleting. Returns the bytes that the files of segments take
// less than before.
[[nodiscard]] Result<std::uint64_t> finish_delete(Store& store, format::SnapshotNumber number);
// For a snapshot that never came to be (progressing, failed): its record goes.
[[nodiscard]] Status forget_unfinished(Store& store, format::SnapshotNumber number);
// Segments of which nothing is needed any more: out of the table, then their files. Does nothing
// while a snapshot is deleting, which may still need their nodes to find its way. Returns the bytes
// that the files took.
[[nodiscard]] Result<std::uint64_t> remove_empty_segments(Store& store);

}  // namespace blkrewind::store
