// Operations: snapshots, plans, rollbacks and space, on a store and a device.
//
// Composes store/, track/ and pipeline/. It keeps the promises about devices and stores (exclusive
// open, identity, intent, undo, durability) but knows no rule of the ResetDisk API: those are in
// control/, which is the only caller besides tests.
//
// Thread safety: as described in blkrewind/engine.h; each long operation opens its own queues and
// holds the lock of its disk.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "blkrewind/receipt.h"
#include "format/records.h"
#include "freeze/freezer.h"
#include "io/env.h"
#include "operations/accepted_reset.h"
#include "operations/open_snapshot.h"
#include "operations/recognise.h"
#include "track/trackers.h"

namespace blkrewind {

namespace store {
class Home;
class Lease;
}  // namespace store

// How a process gets the home of its store, where that is not in a directory.
using OpenHome = std::function<Result<std::unique_ptr<store::Home>>()>;

struct OperationsOptions {
  std::string store;
  OpenHome home = {};  // for tests; empty: in that directory
  bool create = false;
  unsigned threads = 0;  // 0: by the number of cores; 1: everything in the calling thread
  std::uint64_t buffer_bytes = kDefaultBufferBytes;  // of an operation
  std::uint64_t cache_bytes = kDefaultCacheBytes;    // of open snapshots
  // How many leaves of what differs are kept in memory (chunk_list.h); 0: as many as fit the bound.
  std::size_t list_leaves = 0;
  track::Trackers* trackers = nullptr;  // outlive the Operations; null: no tracking
  // The same; null: no snapshots of devices in use.
  freeze::Freezer* freezer = nullptr;
  // How long a clone waits for another operation on the snapshot's disk.
  std::chrono::milliseconds patience{10'000};
};

// A snapshot: numbers count within a disk.
struct SnapshotKey {
  format::DiskNumber disk = 0;
  format::SnapshotNumber number = 0;
  friend bool operator==(const SnapshotKey&, const SnapshotKey&) = default;
  friend bool operator<(const SnapshotKey& a, const SnapshotKey& b) {
    return a.disk != b.disk ? a.disk < b.disk : a.number < b.number;
  }
};

// The state of a disk in its log, with the current state of its locks.
struct DiskView {
  format::DiskRecord disk;
  std::vector<format::SnapshotRecord> snapshots;  // oldest first; not deleting, no tombstone
  std::map<format::SnapshotNumber, format::NoteRecord> notes;  // of those that have one
  std::vector<format::SnapshotRecord> deleting;  // their delete was interrupted, or is running
  std::optional<format::IntentRecord> intent;
  std::optional<format::ResetRecord> reset;    // the last one that was accepted to run later
  std::optional<format::OriginRecord> origin;  // it is a clone
  std::string origin_disk_id;                  // of that disk
  std::vector<format::HoldRecord> holds;       // of its clones
  bool locked = false;                         // an operation is running on it now, in any process
  // Why its log cannot be read: `disk` is what the index says, and the rest is empty.
  std::optional<Error> trouble;
  // The device that find_disk() inspected if it was given a path, because probing is not cheap.
  std::optional<host::DeviceInfo> device;
  std::string recognised_by;  // then: the evidence that identified the device
};

struct RollbackRequest {
  format::DiskNumber disk = 0;
  format::SnapshotNumber target = 0;
  std::string path;  // of the device
  std::string request_id;
  // The rollback that this one undoes: kBusy if it is no longer the disk's last one. Empty: it
  // undoes none.
  std::string takes_back = {};
  bool undo = true;
  bool dry_run = false;
  ChangeSource change_source = ChangeSource::kAuto;
  VerifyAfter verify_after = VerifyAfter::kAuto;
};

struct CloneRequest {
  SnapshotKey snapshot;
  std::string path;
  std::string name = {};  // of the clone's first snapshot; empty: none
  bool raw = false;       // overwrite a file of another image format
};
// Of a clone that could not be completed. kAll: its device may have been written to, or that cannot
// be told now, and it is resumed or undone. kNothingOfBegun: its rollback had begun.
enum class CloneLeft : std::uint8_t { kAll, kNothing, kNothingOfBegun };
using RestoreClone =
    std::function<Result<RollbackReceipt>(const DiskView& clone, format::SnapshotNumber first)>;

// What a snapshot is given beside its content, by the record that announces it.
struct NewNotes {
  std::uint32_t retention_days = 0;  // 0: it is kept until it is deleted
  std::vector<Tag> tags;
  std::string token;       // of the request; empty: none
  std::string parameters;  // of the request with the token, serialised
  Moment now;

  [[nodiscard]] bool empty() const { return retention_days == 0 && tags.empty() && token.empty(); }
};

// The request that had a token: the snapshot that it made, and whether its parameters were these.
struct UsedToken {
  std::string snapshot_id;
  bool same_parameters = false;
};

// A snapshot that stands in the log as progressing, with its disk locked and its device open,
// and waits to be made. `make` is called once and holds all of it; dropped before that, nothing
// stays. Must not outlive its Operations. Without `make`: the snapshot was announced earlier, by a
// request with the same token.
struct AnnouncedSnapshot {
  std::string id;
  std::function<Result<SnapshotReceipt>(const Monitor& monitor)> make;
};

class Operations {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Operations>> open(io::Env& env,
                                                                const OperationsOptions& options);
  ~Operations();
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // Replays what other processes appended to the index. Everything below but a disk's own state is
  // as of the last call; that is read anew each time.
  [[nodiscard]] Status refresh();
  // The disks that the index names, without reading their logs.
  [[nodiscard]] std::vector<format::DiskRecord> known_disks() const;
  // One disk after another, so that not all of them are in memory. Ends with the first error of
  // `visit`. A disk whose log cannot be read has `trouble`. `wanted`, given the index's copy of the
  // record: of the others nothing is read; empty: all.
  using WantedDisk = std::function<bool(const format::DiskRecord&)>;
  [[nodiscard]] Status for_each_disk(const std::function<Status(DiskView)>& visit,
                                     const WantedDisk& wanted = {});
  [[nodiscard]] Result<std::vector<DiskView>> disks();
  [[nodiscard]] Result<std::optional<DiskView>> disk(format::DiskNumber number);
  [[nodiscard]] Result<StoreInfo> store_info();
  // The number of the disk's next snapshot: later ones have this or a larger number.
  [[nodiscard]] Result<format::SnapshotNumber> next_snapshot(format::DiskNumber disk);

  // `target`: a disk id, or a path, which selects the disk that the device is by its evidence
  // (recognise.h), wherever that was seen last. nullopt: not registered. kPrecondition with a
  // remedy if the evidence is weak or contradictory, or also matches another attached device. A
  // path that does not exist selects the disk that was seen there last.
  [[nodiscard]] Result<std::optional<DiskView>> find_disk(const std::string& target);
  // If another device than the disk last seen there is now at `path`, a message that says so;
  // otherwise empty.
  [[nodiscard]] std::string seen_last_at(const std::string& path);
  // Where the disk's device is now.
  [[nodiscard]] Presence find_device(const format::DiskRecord& disk);
  // `as_new`: also registers a device that may be, or by its hardware id is, a registered disk: the
  // caller asserts that it is a different one. kAlreadyExists if that is disproven.
  [[nodiscard]] Result<DiskView> register_disk(const std::string& path, std::uint32_t chunk_bytes,
                                               bool raw = false, bool as_new = false);
  // kPrecondition if the device and the disk differ in size. A reset that was accepted for the
  // former device, and has not begun, fails.
  [[nodiscard]] Status adopt_disk(format::DiskNumber disk, const std::string& path);
  // kPrecondition: it has snapshots, or a clone needs one.
  [[nodiscard]] Status forget_disk(format::DiskNumber disk);
  // kPrecondition, naming it: a clone needs a snapshot of the disk.
  [[nodiscard]] Status check_not_held(format::DiskNumber disk);
  // A disk whose log is damaged or missing, with all of its snapshots; returns what is wrong with
  // the log. Another failure to read it is an error, since it may be intact.
  [[nodiscard]] Result<Error> forget_lost_disk(const format::DiskRecord& disk);
  // Removes the intent of an interrupted rollback, and leaves the device as it is: for one that can
  // be finished in neither direction, or whose device is not attached any more. kPrecondition while
  // it still can.
  [[nodiscard]] Status abandon_rollback(format::DiskNumber disk);

  // The trackers of a disk.
  [[nodiscard]] Status start_tracking(format::DiskNumber disk, const std::string& path,
                                      track::TrackerKind kind);
  [[nodiscard]] Result<std::vector<std::string>> stop_tracking(format::DiskNumber disk,
                                                               const std::string& path);
  [[nodiscard]] Result<std::vector<track::TrackerState>> tracking(format::DiskNumber disk,
                                                                  const std::string& path);

  // kPrecondition (nothing changed) if the device cannot be written now: in use, read-only, another
  // identity, or the store is on it. `for_writing` false: reading is enough. The size is checked by
  // rollback() and resume(), because it depends on the snapshot.
  [[nodiscard]] Status check_device(const format::DiskRecord& disk, const std::string& path,
                                    bool for_writing);

  // kPrecondition if the evidence of the device at `path` is weak or contradictory, or also matches
  // another attached device. A device that is missing, or is a different one, is no reason.
  [[nodiscard]] Status check_evidence(const format::DiskRecord& disk, const std::string& path);

  // The lease of a disk for an operation that runs later, and is passed to it; a caller that keeps
  // a copy holds the disk beyond the end of the operation. kBusy if another operation holds it.
  [[nodiscard]] Result<std::shared_ptr<store::Lease>> hold_disk(format::DiskNumber disk);

  // The caller holds the disk's lock. accept: replaces the disk's former reset, if any. end: by the
  // request id; no effect if that is not the disk's last one any more, or has ended. A full store
  // takes an end, but no acceptance.
  [[nodiscard]] Status accept_reset(const format::ResetRecord& reset);
  [[nodiscard]] Status end_reset(format::DiskNumber disk, const std::string& request_id,
                                 const ResetEnd& end);
  // An append of this process to the disk's log has failed: it can record nothing there any more.
  [[nodiscard]] bool in_doubt(format::DiskNumber disk);

  // What the token was used for, of those of the disk. nullopt: it was not, it is forgotten (it was
  // used more than a day ago), or its snapshot is gone.
  [[nodiscard]] Result<std::optional<UsedToken>> used_token(format::DiskNumber disk,
                                                            const std::string& token,
                                                            const std::string& parameters,
                                                            const Moment& now);
  // Counts the time that has passed since the last count (counted_time.h), and returns the
  // snapshots whose retention has ended, the oldest of each disk first. What cannot be written now
  // is counted the next time.
  [[nodiscard]] std::vector<SnapshotKey> count_retention(const Moment& now);

  // The first half of snapshot(): all that can be refused is refused here.
  [[nodiscard]] Result<AnnouncedSnapshot> announce_snapshot(format::DiskNumber disk,
                                                            const std::string& path,
                                                            const SnapshotOptions& options,
                                                            const NewNotes& notes = {});
  [[nodiscard]] Result<SnapshotReceipt> snapshot(format::DiskNumber disk, const std::string& path,
                                                 const SnapshotOptions& options,
                                                 const Monitor& monitor);
  [[nodiscard]] Result<SnapshotReceipt> import_image(format::DiskNumber disk,
                                                     const std::string& file,
                                                     const ImportOptions& options,
                                                     const Monitor& monitor);
  // For as long as the result lives the snapshot cannot be deleted. kBusy: it is being deleted.
  [[nodiscard]] Result<std::shared_ptr<OpenSnapshot>> open_snapshot(const SnapshotKey& snapshot);
  [[nodiscard]] Result<ExportReceipt> export_image(const SnapshotKey& snapshot,
                                                   const std::string& file,
                                                   const ExportOptions& options,
                                                   const Monitor& monitor);
  [[nodiscard]] Result<ExportReceipt> export_stream(const SnapshotKey& snapshot,
                                                    const ImageSink& sink,
                                                    const ExportOptions& options,
                                                    const Monitor& monitor);
  [[nodiscard]] Result<DiffReceipt> diff_device(format::DiskNumber disk, const std::string& path,
                                                format::SnapshotNumber snapshot,
                                                const std::function<void(Extent)>& visit,
                                                const Monitor& monitor);
  [[nodiscard]] Result<DiffReceipt> diff_snapshots(const SnapshotKey& from, const SnapshotKey& to,
                                                   const std::function<void(Extent)>& visit,
                                                   const Monitor& monitor);
  // `held`: the disk's lease, if the caller holds it already.
  [[nodiscard]] Result<RollbackReceipt> rollback(const RollbackRequest& request,
                                                 const Monitor& monitor,
                                                 std::shared_ptr<store::Lease> held = nullptr);
  // An interrupted rollback: forwards to its target, or (`backwards`) to the state before it.
  [[nodiscard]] Result<RollbackReceipt> resume(format::DiskNumber disk, const std::string& path,
                                               bool backwards, const Monitor& monitor,
                                               std::shared_ptr<store::Lease> held = nullptr,
                                               VerifyAfter verify_after = VerifyAfter::kAuto);

  // Makes the device or file at the path a disk of its own, whose first snapshot shares all that is
  // stored with this one, and restores it to that. `restore` does the latter, given the new disk:
  // it passes the rules, and calls rollback(). If it fails before anything was written, or put back
  // what was, nothing stays. A path that does not exist becomes a sparse file. (store/holds.h)
  [[nodiscard]] Result<CloneReceipt> clone(const CloneRequest& request, const RestoreClone& restore,
                                           const Monitor& monitor = {});

  // None given: all, without those that are deleted meanwhile. A disk whose log cannot be read is
  // then in the receipt.
  [[nodiscard]] Result<VerifyReceipt> verify(std::vector<SnapshotKey> snapshots,
                                             const Monitor& monitor);
  [[nodiscard]] Result<DeleteReceipt> remove_snapshot(const SnapshotKey& snapshot,
                                                      const Monitor& monitor);
  [[nodiscard]] Result<CollectReceipt> collect(const Monitor& monitor);

  [[nodiscard]] const std::string& store_path() const;

 private:
  using RemoveFile = std::function<Status()>;
  [[nodiscard]] CloneLeft drop_clone(format::DiskNumber disk, format::SnapshotNumber first,
                                     const RemoveFile& remove);

  struct Parts;
  explicit Operations(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace blkrewind
