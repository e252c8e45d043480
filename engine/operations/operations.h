// The mechanism: snapshots, plans, rollbacks and space, on a store and a device.
//
// Composes store/, track/ and rollback/. It keeps the promises about devices and stores (exclusive
// open, identity, intent, undo, durability) but knows no rule of the ResetDisk API: those are
// decided in control/, which stands above and is the only caller besides tests.
//
// Thread safety: as blkrewind/engine.h says; each long operation opens its own queues and holds the
// lock of its disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "blkrewind/engine.h"
#include "blkrewind/error.h"
#include "blkrewind/receipt.h"
#include "format/records.h"
#include "io/env.h"
#include "operations/recognise.h"
#include "track/trackers.h"

namespace blkrewind {

struct OperationsOptions {
  std::string store;
  bool create = false;
  unsigned threads = 0;  // 0: by the number of cores; 1: everything in the calling thread
  std::uint64_t buffer_bytes = kDefaultBufferBytes;  // of an operation
  track::Trackers* trackers = nullptr;  // outlive the Operations; null: nothing is tracked
};

// The state of a disk as the journal says, with what the locks say about now.
struct DiskView {
  format::DiskRecord disk;
  std::vector<format::SnapshotRecord> snapshots;  // oldest first; without deleting ones, tombstones
  std::vector<format::SnapshotRecord> deleting;   // a delete of them was cut off, or runs now
  std::optional<format::IntentRecord> intent;
  bool locked = false;  // an operation runs on it right now, in some process
  // What find_disk() saw when it was given a path: probing a device is not cheap.
  std::optional<host::DeviceInfo> device;
  std::string recognised_by;  // then: what says that the device is this disk
};

struct RollbackRequest {
  format::DiskNumber disk = 0;
  format::SnapshotNumber target = 0;
  std::string path;  // of the device
  std::string request_id;
  // Of the rollback that this one takes back: kBusy when it is not the disk's last one any more.
  // Empty: it takes none back.
  std::string takes_back = {};
  bool undo = true;
  bool dry_run = false;
  ChangeSource change_source = ChangeSource::kAuto;
  VerifyAfter verify_after = VerifyAfter::kAuto;
};

// A snapshot that stands in the journal as progressing, with its disk locked and its device open,
// and waits to be made. Dropped before that, nothing stays of it. Must not outlive its Operations.
class AnnouncedSnapshot {
 public:
  virtual ~AnnouncedSnapshot() = default;
  [[nodiscard]] virtual const std::string& id() const = 0;
  // Once.
  [[nodiscard]] virtual Result<SnapshotReceipt> make(const Monitor& monitor) = 0;
};

class Operations {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Operations>> open(io::Env& env,
                                                                const OperationsOptions& options);
  ~Operations();
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // Re-reads what other processes appended to the journal.
  [[nodiscard]] Status refresh();
  [[nodiscard]] std::vector<DiskView> disks();
  [[nodiscard]] std::optional<DiskView> disk(format::DiskNumber number);
  [[nodiscard]] Result<StoreInfo> store_info();
  // The number that the next snapshot gets, of whatever disk: later ones have it or a larger one.
  [[nodiscard]] format::SnapshotNumber next_snapshot() const;

  // `target`: a disk id, or a path, which is the disk that the device is by its evidence
  // (recognise.h), wherever that was seen last. nullopt: not registered.
  // kPrecondition with a remedy when the evidence is weak, contradicts itself, or fits another
  // attached device as well. A path that leads to nothing is the disk that was seen there last.
  [[nodiscard]] Result<std::optional<DiskView>> find_disk(const std::string& target);
  // When another device is at `path` now than the disk that was seen there last: so, in words; else
  // empty.
  [[nodiscard]] std::string seen_last_at(const std::string& path);
  // Where the disk's device is now.
  [[nodiscard]] Presence find_device(const format::DiskRecord& disk);
  // `as_new`: also a device that may be, or by its hardware id is, a disk that is registered
  // already: the caller says that it is another one. kAlreadyExists when that is disproven.
  [[nodiscard]] Result<DiskView> register_disk(const std::string& path, std::uint32_t chunk_bytes,
                                               bool raw = false, bool as_new = false);
  // kPrecondition when the device has another size than the disk.
  [[nodiscard]] Status adopt_disk(format::DiskNumber disk, const std::string& path);
  [[nodiscard]] Status forget_disk(format::DiskNumber disk);
  // Forgets that a rollback was interrupted, and leaves the device as it is: for one that can be
  // finished in neither direction. kPrecondition while it still can.
  [[nodiscard]] Status abandon_rollback(format::DiskNumber disk);

  // What remembers where a disk changes.
  [[nodiscard]] Status start_tracking(format::DiskNumber disk, const std::string& path,
                                      track::TrackerKind kind);
  [[nodiscard]] Result<std::vector<std::string>> stop_tracking(format::DiskNumber disk,
                                                               const std::string& path);
  [[nodiscard]] Result<std::vector<track::TrackerState>> tracking(format::DiskNumber disk,
                                                                  const std::string& path);

  // kPrecondition (nothing touched) when the device cannot be written now: in use, read-only,
  // another identity, or the store lives on it. `for_writing` false: reading is enough. The size is
  // a matter between the device and one snapshot: rollback() and resume() look at it.
  [[nodiscard]] Status check_device(const format::DiskRecord& disk, const std::string& path,
                                    bool for_writing);

  // kPrecondition when the evidence of the device at `path` is weak, contradicts itself, or fits
  // another attached device as well. A device that is not there, or is another one, is no reason.
  [[nodiscard]] Status check_evidence(const format::DiskRecord& disk, const std::string& path);

  // The lock of a disk for an operation that is run later, and is given it then; whoever keeps a
  // copy holds the disk beyond that operation's end. kBusy when another operation has it.
  [[nodiscard]] Result<std::shared_ptr<io::Lock>> hold_disk(format::DiskNumber disk);

  // The first half of snapshot(): all that can be refused is refused here.
  [[nodiscard]] Result<std::unique_ptr<AnnouncedSnapshot>> announce_snapshot(
      format::DiskNumber disk, const std::string& path, const SnapshotOptions& options);
  [[nodiscard]] Result<SnapshotReceipt> snapshot(format::DiskNumber disk, const std::string& path,
                                                 const SnapshotOptions& options,
                                                 const Monitor& monitor);
  [[nodiscard]] Result<SnapshotReceipt> import_image(format::DiskNumber disk,
                                                     const std::string& file,
                                                     const ImportOptions& options,
                                                     const Monitor& monitor);
  [[nodiscard]] Result<ExportReceipt> export_image(format::SnapshotNumber snapshot,
                                                   const std::string& file, const Monitor& monitor);
  [[nodiscard]] Result<DiffReceipt> diff_device(format::DiskNumber disk, const std::string& path,
                                                format::SnapshotNumber snapshot,
                                                const std::function<void(Extent)>& visit,
                                                const Monitor& monitor);
  [[nodiscard]] Result<DiffReceipt> diff_snapshots(format::SnapshotNumber from,
                                                   format::SnapshotNumber to,
                                                   const std::function<void(Extent)>& visit,
                                                   const Monitor& monitor);
  // `held`: the disk's lock, where the caller has it already.
  [[nodiscard]] Result<RollbackReceipt> rollback(const RollbackRequest& request,
                                                 const Monitor& monitor,
                                                 std::shared_ptr<io::Lock> held = nullptr);
  // An interrupted rollback: forward to its target, or (`backwards`) to the state before it.
  [[nodiscard]] Result<RollbackReceipt> resume(format::DiskNumber disk, const std::string& path,
                                               bool backwards, const Monitor& monitor,
                                               std::shared_ptr<io::Lock> held = nullptr,
                                               VerifyAfter verify_after = VerifyAfter::kAuto);

  [[nodiscard]] Result<VerifyReceipt> verify(const std::vector<format::SnapshotNumber>& snapshots,
                                             const Monitor& monitor);
  [[nodiscard]] Result<DeleteReceipt> remove_snapshot(format::SnapshotNumber snapshot,
                                                      const Monitor& monitor);
  [[nodiscard]] Result<CollectReceipt> collect(const Monitor& monitor);

  [[nodiscard]] const std::string& store_path() const;

 private:
  struct Parts;
  explicit Operations(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace blkrewind
