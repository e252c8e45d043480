// The one sequence that brings a device to a snapshot (way.h says what differs between its uses):
//
//   find     which chunks of the device are not as in the wanted snapshot, or may not be: a list
//   keep     what will be overwritten, where the way says so: segments and an undo snapshot
//   verify   every chunk that will be needed, where there is no way back
//   declare  log: the undo snapshot and the intent, in one record
//   restore  the list, from the store to the device; every chunk is verified before it is written
//   flush    the device, and what other nodes over its bytes have in their caches
//   recheck  what was written is read back, as far as was asked for
//   finish   log: no intent, and the device equals the wanted snapshot
//
// When power goes before `declare`, nothing happened to the device, and the segments are orphans.
// Between `declare` and `finish` the intent names both ends, and the sequence can be gone through
// again towards either. Restoring is idempotent. Where nothing differs, nothing is declared and
// nothing is written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operations/operations_parts.h"
#include "operations/rollback/way.h"
#include "operations/tracking.h"
#include "pipeline/chunk_list.h"
#include "pipeline/meter.h"
#include "pipeline/restore.h"
#include "pipeline/scan.h"
#include "store/store.h"

namespace blkrewind {

// What is true of a rollback from its beginning to its end.
struct WayBack {
  store::Store& store;
  store::History& history;
  const LockedDisk& locked;
  const OpenedDevice& device;
  const Monitor& monitor;
  pipeline::Means means;
  Tracking& tracking;  // of this operation
  std::string request_id;
  VerifyAfter verify_after = VerifyAfter::kAuto;
  Way way;
  format::SnapshotRecord wanted;               // what the device shall equal
  std::optional<format::SnapshotRecord> undo;  // of the rollback, once there is one
  // Of an interrupted rollback: the state at its other end.
  std::optional<format::SnapshotRecord> other;
};

// Where to look for what differs from `wanted`: what trackers say is of the base snapshot, and is
// only of use while its tree has this geometry.
[[nodiscard]] Way::Looks where_to_look(const LockedDisk& locked, const Tracking& tracking,
                                       const format::SnapshotRecord& wanted);

class Sequence {
 public:
  // `watch`: since the operation began.
  Sequence(WayBack back, const pipeline::Stopwatch& watch);

  // Once. Errors: kIntegrity, a chunk of the wanted snapshot is corrupt, and what has become of the
  // device; kIo, the device or the store failed, or lost what was written; kNoSpace, nothing was
  // written to the device; kCancelled. A remedy says how to go on where an intent stands.
  [[nodiscard]] Result<RollbackReceipt> run();

 private:
  [[nodiscard]] Status steps();
  [[nodiscard]] Status find();
  [[nodiscard]] Status keep();
  [[nodiscard]] Status verify();
  [[nodiscard]] Status declare();
  [[nodiscard]] Status restore();
  [[nodiscard]] Status flush();
  [[nodiscard]] Status recheck();
  [[nodiscard]] Status finish();

  // find.cc: of find() and keep(). Fills chunks_, foreign_ and found_.
  [[nodiscard]] Status look();
  [[nodiscard]] Status name_unread(pipeline::CandidateSource& candidates);
  void share_nothing();
  [[nodiscard]] Status plan();
  // A comparison of the device with the wanted snapshot.
  [[nodiscard]] pipeline::ScanRequest comparison() const;

  // keep.cc
  [[nodiscard]] Status keep_undo();
  [[nodiscard]] Status keep_foreign();
  [[nodiscard]] Result<pipeline::RestoreOutcome> verify_shared(io::Queue& queue);
  [[nodiscard]] Result<bool> all_half_written(io::Queue& queue);
  [[nodiscard]] format::SnapshotRecord record_of_found(std::string description) const;
  // A snapshot with the writer's segments, and the intent where `begins`.
  [[nodiscard]] Status record(std::optional<format::SnapshotRecord>& snapshot, bool begins);

  // write.cc
  enum class Streaming : std::uint8_t {
    kVerify,           // reads and verifies, up to the first chunk that fails
    kWrite,            // and writes
    kWriteWhatIsWhole  // goes on after chunks that fail
  };
  [[nodiscard]] Result<pipeline::RestoreOutcome> stream(Streaming how);

  // recheck.cc
  [[nodiscard]] Status read_back();
  [[nodiscard]] Status recheck_all();

  // ends.cc
  [[nodiscard]] Error ended_by(Error error);
  [[nodiscard]] Error put_back(Error error);
  // What the next record puts of the disk's reset: it has ended with this sequence (`ends`), or has
  // been replaced by it. nullopt: it stays as it is.
  [[nodiscard]] std::optional<format::ResetRecord> reset_after(const store::State& state,
                                                               bool ends) const;
  [[nodiscard]] bool is_backwards() const { return undo_ && undo_->number == back_.wanted.number; }
  void fill_receipt();

  const WayBack back_;
  Way way_;
  std::optional<format::SnapshotRecord> undo_;
  const pipeline::Stopwatch watch_;
  const format::Geometry geometry_;
  RollbackReceipt receipt_;

  // Besides the wanted snapshot, what holds chunks of the device already: nothing that it holds has
  // to be stored. A new rollback's base snapshot, or the other end of an interrupted one.
  std::optional<format::SnapshotRecord> beside_;
  std::unique_ptr<store::SegmentWriter> writer_;  // of what is kept
  const pipeline::ChunkList* limits_ = nullptr;   // of Looks::kDifferences
  pipeline::ChunkList chunks_;                    // that differ, or may
  // Chunks that neither snapshot holds, as long as there are few enough to look at each sector.
  static constexpr std::size_t kForeignMax = 4096;
  std::vector<std::uint64_t> foreign_;
  pipeline::ScanOutcome found_;

  bool begun_ = false;                   // an intent stands in the log
  bool finished_ = false;                // and has been taken away
  bool missed_ = false;                  // recheck: the candidates were too few
  std::optional<ResetEnd> reset_fails_;  // how the reset ends with this sequence, if not as done
  pipeline::Stopwatch restoring_;
};

}  // namespace blkrewind
