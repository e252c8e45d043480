// blkrewind: snapshots of block devices, and back.
//
//   auto engine = blkrewind::Engine::open({.store = "/var/lib/blkrewind", .create = true});
//   auto before = engine->snapshot("/dev/loop0", {.name = "before"});
//   ... the device is changed ...
//   auto done = engine->rollback("/dev/loop0", "before");
//   auto back = engine->undo("/dev/loop0");
//
// Life of an Engine: open -> any number of operations -> destroyed. Opening replays the journal and
// touches nothing else. Operations are safe from several threads; each takes the lock of the one
// disk it works on, so two operations on one disk answer kBusy and two disks proceed side by side,
// in one process or in many.
//
// A `target` is a block device, an image file or a disk id ("d-..."). A `snapshot` is an id
// ("s-..."), a name, or "latest". Names are looked up among the snapshots of the target's disk
// first.
//
// Before each restore (rollback, undo, resume) the preconditions of the cloud API ResetDisk are
// enforced; a refusal is Errc::kPrecondition with the API's code in `api_code`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/export.h"
#include "blkrewind/info.h"
#include "blkrewind/monitor.h"
#include "blkrewind/receipt.h"
#include "blkrewind/tasks.h"
#include "blkrewind/units.h"

namespace blkrewind {

inline constexpr std::uint64_t kDefaultBufferBytes = 32 * kMiB;

struct OpenOptions {
  std::string store = "/var/lib/blkrewind";
  bool create = false;  // make the store when the folder is missing or empty
  bool allow_io_uring = true;
  unsigned threads = 0;  // 0: as many as the machine has cores, at most 4
  // Memory for the buffers of one operation, in MiB steps; two at once take it twice.
  std::uint64_t buffer_bytes = kDefaultBufferBytes;
  bool accept_available_disks = false;  // today's API; the 2016 rule (In_use only) otherwise
};

// Where an operation learns what may have changed since the device equalled a snapshot last. A
// source may err only towards too much; what it names is read and compared.
enum class ChangeSource : std::uint8_t {
  kAuto,     // the cheapest that is valid now
  kScan,     // everything is read
  kBitmap,   // what a program in the kernel has marked: see Engine::start_tracking()
  kExtents,  // what the image file does not share with the anchor's clone any more
};

struct SnapshotOptions {
  std::string name;  // empty: none
  std::string description;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;  // counts when the disk is registered
  bool chunk_bytes_given = false;  // then a registered disk of another chunk size is an error
  // An image file is registered with the bytes it has, also where they are those of another image
  // format (qcow2, vmdk, vdi, vhd, vhdx, ...), which is refused otherwise.
  bool raw = false;
  // kBitmap, kExtents: an error where that one is not valid now.
  ChangeSource change_source = ChangeSource::kAuto;
  // For register_disk(): a device that may be, or by its hardware id is, a registered disk becomes
  // a disk of its own: the caller says that it is another one.
  bool as_new = false;
};

// For accept_snapshot(): what a snapshot carries besides its bytes, and a token of the caller's.
struct SnapshotNotes {
  std::uint32_t retention_days = 0;  // 0: kept until it is deleted
  std::vector<Tag> tags;
  // The same token with the same wishes is the same snapshot, for a day. Empty: none.
  std::string client_token;
};

struct ImportOptions {
  std::string name;
  std::string description;
  std::optional<std::int64_t> created_at;  // else the image file's modification time
  std::uint32_t chunk_bytes = kDefaultChunkBytes;
  bool chunk_bytes_given = false;
  bool raw = false;  // of the file, and of the target when it is registered
};

// What is read back from the device, past the caches, after it was written and flushed.
enum class VerifyAfter : std::uint8_t {
  kAuto,     // kWritten where that takes under a tenth of what was read and written, else kNone
  kNone,     // the receipt's digest is the expected one
  kWritten,  // what was written
  kAll,      // and then the whole device: the change source has missed nothing either
};

struct RollbackOptions {
  bool dry_run = false;  // the plan's totals; touches neither device nor store
  bool undo = true;      // capture what is about to be lost
  ChangeSource change_source = ChangeSource::kAuto;
  VerifyAfter verify_after = VerifyAfter::kAuto;
  bool paranoid = false;  // the same as VerifyAfter::kAll
};

struct AcceptOptions {
  std::string request_id;  // UUID in upper case; empty: a new one
  bool dry_run = false;    // when every rule is passed, the answer is the error DryRunOperation
  bool undo = true;
  bool ids_only = false;  // paths, names and "latest" are not found: for requests of strangers
};

struct InstanceChange {
  std::optional<std::string> name;
  std::optional<std::int64_t> expires_at;  // 0: never
  std::optional<bool> in_arrears;
};

class BLKREWIND_API Engine {
 public:
  [[nodiscard]] static Result<Engine> open(const OpenOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // Reads the device; registers it the first time. The device must be free (not mounted, not held).
  [[nodiscard]] Result<SnapshotReceipt> snapshot(const std::string& target,
                                                 const SnapshotOptions& options = {},
                                                 const Monitor& monitor = {});
  // A raw image of exactly the disk's size becomes a snapshot of the target.
  [[nodiscard]] Result<SnapshotReceipt> import_image(const std::string& target,
                                                     const std::string& file,
                                                     const ImportOptions& options = {},
                                                     const Monitor& monitor = {});
  // Writes a new sparse file, or with "-" every byte to standard output. An existing file is
  // refused.
  [[nodiscard]] Result<ExportReceipt> export_image(const std::string& snapshot,
                                                   const std::string& file,
                                                   const Monitor& monitor = {});

  // The extents that differ, merged and in order, handed to `visit` as they are found: between the
  // device now and a snapshot, or between two snapshots of the target.
  [[nodiscard]] Result<DiffReceipt> diff(const std::string& target, const std::string& snapshot,
                                         const std::optional<std::string>& other,
                                         const std::function<void(Extent)>& visit,
                                         const Monitor& monitor = {});

  [[nodiscard]] Result<RollbackReceipt> rollback(const std::string& target,
                                                 const std::string& snapshot,
                                                 const RollbackOptions& options = {},
                                                 const Monitor& monitor = {});
  // Takes back the last rollback, or an interrupted one. Itself undoable.
  [[nodiscard]] Result<RollbackReceipt> undo(const std::string& target, const Monitor& monitor = {},
                                             VerifyAfter verify_after = VerifyAfter::kAuto);
  // Finishes an interrupted rollback.
  [[nodiscard]] Result<RollbackReceipt> resume(const std::string& target,
                                               const Monitor& monitor = {},
                                               VerifyAfter verify_after = VerifyAfter::kAuto);

  // For servers, which answer before the work is done. Every rule is checked and the disk is held
  // for the task; what was accepted is written down, and shows as ReIniting. Asking again for the
  // snapshot of an interrupted rollback goes on with that one.
  [[nodiscard]] Result<RollbackTask> accept_rollback(const std::string& target,
                                                     const std::string& snapshot,
                                                     const AcceptOptions& options = {});
  // Of a registered target. The snapshot shows as progressing at once.
  [[nodiscard]] Result<SnapshotTask> accept_snapshot(const std::string& target,
                                                     const SnapshotOptions& options = {},
                                                     const SnapshotNotes& notes = {});
  // Accepted rollbacks whose process ended before they did, as tasks again: what had begun is
  // resumed, what had not is begun if it was accepted within the last hour. Where a rule forbids it
  // by now, the rollback is noted as failed (DiskInfo::last_reset).
  [[nodiscard]] Result<std::vector<RollbackTask>> unfinished_rollbacks();

  // Reads every chunk and node of the snapshots (none named: all) and checks every digest. Damage
  // is in the receipt and marks the snapshots; it is not an error of the call.
  [[nodiscard]] Result<VerifyReceipt> verify(std::span<const std::string> snapshots,
                                             const Monitor& monitor = {});
  [[nodiscard]] Result<DeleteReceipt> remove_snapshot(const std::string& snapshot,
                                                      const Monitor& monitor = {});
  // Finishes interrupted deletes, removes what crashed operations left, compacts the journal.
  [[nodiscard]] Result<CollectReceipt> collect(const Monitor& monitor = {});

  [[nodiscard]] Result<std::vector<DiskInfo>> disks();
  [[nodiscard]] Result<DiskInfo> disk(const std::string& target);
  // Oldest first. Empty `disk_id`: of every disk.
  [[nodiscard]] Result<std::vector<SnapshotInfo>> snapshots(const std::string& disk_id = {});
  // The ids of snapshots whose retention_days are over, the oldest first. Time is counted while it
  // is observed, by a clock that cannot be set: call it about once a minute while the program runs,
  // and delete what it returns. Time during which the machine was off counts at the pace at which
  // it is observed afterwards.
  [[nodiscard]] Result<std::vector<std::string>> snapshots_past_retention();
  [[nodiscard]] Result<StoreInfo> store_info();

  // Disks and instances. A disk that no instance was named for belongs to "i-local".
  [[nodiscard]] Result<DiskInfo> register_disk(const std::string& target,
                                               const SnapshotOptions& options = {});
  [[nodiscard]] Status attach_disk(const std::string& target, const std::string& instance);
  [[nodiscard]] Status detach_disk(const std::string& target);
  // The device at `path` is this disk from now on (it moved, or was copied elsewhere).
  [[nodiscard]] Status adopt_disk(const std::string& disk_id, const std::string& path);
  // Refused while the disk has snapshots, unless `with_snapshots`. Cancelled between two snapshots,
  // those before are gone, and the same call goes on.
  [[nodiscard]] Status forget_disk(const std::string& target, bool with_snapshots = false,
                                   const Monitor& monitor = {});

  // Lets the kernel (kBitmap), or a clone of the image file (kExtents), remember where the target
  // changes, so that operations need not read all of it; kAuto: kBitmap for a block device,
  // kExtents for a file. Registers the target the first time. What was changed before is not known:
  // the first snapshot or rollback after it still reads everything.
  [[nodiscard]] Result<TrackingInfo> start_tracking(const std::string& target,
                                                    ChangeSource source = ChangeSource::kAuto,
                                                    const SnapshotOptions& options = {});
  // The names of the sources that have been ended; none: it was not tracked.
  [[nodiscard]] Result<std::vector<std::string>> stop_tracking(const std::string& target);
  [[nodiscard]] Result<TrackingInfo> tracking(const std::string& target);

  [[nodiscard]] Result<InstanceInfo> create_instance(const std::string& id,
                                                     const std::string& name);
  // `dry_run`: when every rule is passed, the answer is the error DryRunOperation.
  [[nodiscard]] Status start_instance(const std::string& id, bool dry_run = false);
  [[nodiscard]] Status stop_instance(const std::string& id, bool dry_run = false);
  [[nodiscard]] Status lock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status unlock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status change_instance(const std::string& id, const InstanceChange& change);
  [[nodiscard]] Status delete_instance(const std::string& id);
  [[nodiscard]] Result<InstanceInfo> instance(const std::string& id);
  [[nodiscard]] Result<std::vector<InstanceInfo>> instances();

 private:
  friend struct EngineAccess;  // opens one on a simulated machine, for tests
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  [[nodiscard]] Impl& impl();  // throws when this Engine was moved from
  std::unique_ptr<Impl> impl_;
};

// Programs that track disks in this machine's kernel, of every store; needs none.
[[nodiscard]] BLKREWIND_API Result<std::vector<PinnedTracking>> pinned_tracking();
// Ends those whose store or device is gone, and returns them. `dry_run`: ends none.
[[nodiscard]] BLKREWIND_API Result<std::vector<PinnedTracking>> prune_tracking(bool dry_run);

// "0.1.0"
[[nodiscard]] BLKREWIND_API const char* version();

// Where log lines go and how many. Off until called; to stderr.
enum class LogLevel : std::uint8_t { kOff, kError, kWarning, kInfo, kDebug };
BLKREWIND_API void set_log_level(LogLevel level);

}  // namespace blkrewind
