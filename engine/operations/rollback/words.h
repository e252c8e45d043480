// What a rollback says when it ends badly, with what to do about it.
#pragma once

#include <cstdint>
#include <string>

#include "operations/rollback/sequence.h"
#include "pipeline/extent_merger.h"

namespace blkrewind {

// The error of a rollback that stands: how to go on, and back where there is an undo snapshot.
[[nodiscard]] Error to_be_resumed(Error error, const format::DiskRecord& disk, bool has_undo);
// An append to the log failed, so that its record may be there or not. `begun`: the device may
// have been written to.
[[nodiscard]] Error in_doubt(Error error, const format::DiskRecord& disk, bool begun);
// Where chunks are lost in both directions.
[[nodiscard]] Remedy loss_remedy(const format::DiskRecord& disk);
// Where the device is as it was.
[[nodiscard]] Remedy choose_another();

// The store has no room for the undo snapshot.
[[nodiscard]] Error no_room(Error error, bool with_undo);
// The store has no room for what was written since a rollback was interrupted.
[[nodiscard]] Error no_room_to_keep(Error error);
// A chunk of the wanted snapshot, found before anything was written.
[[nodiscard]] Error corrupt_before_writing(const pipeline::BadChunk& bad,
                                           const format::Geometry& geometry);
// Chunks that cannot be had; the others have been written.
[[nodiscard]] Error unfinished_chunks(const store::History& history,
                                      const pipeline::RestoreOutcome& outcome,
                                      const format::Geometry& geometry);
// kIo: written, flushed, and read back otherwise.
[[nodiscard]] Error lost_error(const pipeline::ExtentTally& lost, const std::string& device);
// After the rollback all of the device was read. kIntegrity where the rollback has ended all the
// same; kIo where it stands, and a resume will read everything.
[[nodiscard]] Error missed_error(const pipeline::ExtentTally& missed,
                                 const std::string& change_source, const WayBack& back);

}  // namespace blkrewind
