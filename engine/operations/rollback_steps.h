// The steps that a rollback, a resume and a putting-back share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "operations/operations_parts.h"
#include "operations/tracking.h"
#include "pipeline/change_source.h"
#include "pipeline/restore.h"
#include "pipeline/unreadable_extents.h"
#include "store/store.h"

namespace blkrewind {

// What is true of a rollback from its beginning to its end.
struct Rollback {
  store::Store& store;
  LockedDisk& locked;
  const OpenedDevice& device;
  const Monitor& monitor;
  pipeline::Means means;
  format::Geometry geometry;
  std::string request_id;
  format::SnapshotRecord target;
  std::optional<format::SnapshotRecord> undo;
  Tracking* tracking = nullptr;  // of this operation
  // Of what is streamed, only the blocks that differ from the device's are written.
  bool compares = false;
  VerifyAfter verify_after = VerifyAfter::kAuto;
  // The device may get the store's very blocks.
  [[nodiscard]] bool may_share() const {
    return tracking->source() != nullptr && tracking->source()->shares_bytes();
  }
};

[[nodiscard]] std::string resume_hint(const Rollback& rollback);
// The error of a rollback that stands, with a remedy to go on with it.
[[nodiscard]] Error to_be_resumed(const Rollback& rollback, Error error);
// Where chunks are lost in both directions.
[[nodiscard]] std::string loss_hint(const Rollback& rollback);

enum class Streaming : std::uint8_t {
  kVerify,           // reads and verifies, up to the first bad chunk
  kWrite,            // and writes
  kWriteWhatIsWhole  // goes on after bad chunks: there is no other way than this one
};

// Turns `now` into the target: read, verify, write. Does not flush.
[[nodiscard]] Result<pipeline::RestoreOutcome> stream(const Rollback& rollback,
                                                      const store::Tree& now,
                                                      store::SegmentWriter* writer,
                                                      std::uint64_t work_bytes, Streaming how);
// The same of what `candidates` names, whether it differs or not. `verified`: restore_lane.h.
[[nodiscard]] Result<pipeline::RestoreOutcome> stream(const Rollback& rollback,
                                                      pipeline::ChangeSource& candidates,
                                                      std::uint64_t work_bytes, Streaming how,
                                                      bool verified = false);
// Afterwards no other node over the device's bytes shows what was there before.
[[nodiscard]] Status flush_device(const Rollback& rollback);
// Lets the kernel take over the partition table that is on the device now, and says whether it has.
// Its failure is none of the rollback.
void update_partitions(const Rollback& rollback, RollbackReceipt& receipt);

// Remembers that a snapshot is damaged. The rollback's own error is what the user needs to see, so
// a journal that cannot take it is only logged.
void mark_damaged(store::Store& store, format::SnapshotNumber number);

// A chunk of the target that is corrupt, found before anything was written. Marks the target.
[[nodiscard]] Error bad_target(const Rollback& rollback, const pipeline::BadChunk& bad);

void fill(RollbackReceipt& receipt, const Rollback& rollback);
void add(RollbackReceipt& receipt, const pipeline::RestoreOutcome& outcome);
void add(RollbackReceipt& receipt, const pipeline::UnreadableExtents& unreadable);

// The last record: no intent, and the device equals the target. `before`: whether all of what had
// been collected before this operation was looked at.
[[nodiscard]] Status finish(const Rollback& rollback, const format::LastRollback& last,
                            track::Collected before);

// Whether something else may have written to the device since the rollback's own writes.
enum class Hold : std::uint8_t {
  kKept,  // the descriptor that made them has been held exclusively ever since
  kAnew   // they were another process's, or an earlier open's: anything may have happened between
};

// What the trackers say is of the anchor, and is only of use while its tree has this geometry.
[[nodiscard]] bool may_trust(const Rollback& rollback);

// Restores what does not equal the target. The intent stands already. kIntegrity when not all of it
// could be restored.
//
// Claims no more than it has looked at: kAnew looks at the whole device, or at all that a tracker
// says was written since the anchor; kKept at the plan alone, the chunks in which `other` and the
// target differ. With `other` (the state at the other end of the interrupted rollback), kAnew first
// keeps what equals neither end, and so was written meanwhile, in an undo snapshot of its own: it
// would be overwritten otherwise.
[[nodiscard]] Result<RollbackReceipt> drive_to_target(
    const Rollback& rollback, const std::optional<format::SnapshotRecord>& other, Streaming how,
    Hold hold);

// The target cannot be had: the device goes back to the undo snapshot, chunk by chunk where it
// differs. Returns the error for the user, which says how that ended.
[[nodiscard]] Error put_back(const Rollback& rollback, Error error, Hold hold);

[[nodiscard]] Status check_size(const OpenedDevice& device, const format::SnapshotRecord& target);

}  // namespace blkrewind
