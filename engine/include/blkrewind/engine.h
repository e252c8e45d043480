// blkrewind: snapshots and rollback of block devices.
//
//   auto engine = blkrewind::Engine::open({.store = "/var/lib/blkrewind", .create = true});
//   auto before = engine->snapshot("/dev/loop0", {.name = "before"});
//   ... the device is changed ...
//   auto done = engine->rollback("/dev/loop0", "before");
//   auto back = engine->undo("/dev/loop0");
//
// Life cycle of an Engine: open, any number of operations, destruction. Opening reads the index
// and changes nothing. Operations may be called from several threads. Each takes the lock of the
// disk that it works on: a second operation on the same disk returns kBusy, and operations on
// different disks run in parallel, in one process or in several.
//
// A `target` is a block device, an image file or a disk id ("d-..."). A `snapshot` is an id
// ("s-..."), a name, or "latest". Names are looked up first among the snapshots of the target's
// disk.
//
// Every rollback, undo and resume enforces the preconditions of the cloud API ResetDisk; a refusal
// is Errc::kPrecondition with the API's code in `api`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"
#include "blkrewind/export.h"
#include "blkrewind/info.h"
#include "blkrewind/monitor.h"
#include "blkrewind/receipt.h"
#include "blkrewind/snapshot_reader.h"
#include "blkrewind/tasks.h"
#include "blkrewind/units.h"

namespace blkrewind {

inline constexpr std::uint64_t kDefaultBufferBytes = 32 * kMiB;
inline constexpr std::uint64_t kDefaultCacheBytes = 16 * kMiB;

struct OpenOptions {
  std::string store = "/var/lib/blkrewind";
  // The store will be written to: it is created if the directory is missing or empty, and refused
  // (kUnsupported) if its format is one that this library only reads.
  bool create = false;
  bool allow_io_uring = true;
  unsigned threads = 0;  // 0: one per core, at most 4
  // Memory for the buffers of one operation, in bytes; two concurrent operations use twice as much.
  std::uint64_t buffer_bytes = kDefaultBufferBytes;
  // Memory for chunks that all open snapshots keep for the next read; the nodes of their trees add
  // a quarter.
  std::uint64_t cache_bytes = kDefaultCacheBytes;
  bool accept_available_disks = false;  // as in the current API; false: In_use only (2016)
};

// How an operation finds out what may have changed since the device equalled its base snapshot. A
// source may report too much, but never too little; the reported chunks are read and compared.
enum class ChangeSource : std::uint8_t {
  kAuto,     // the cheapest source that is valid now
  kScan,     // read everything
  kBitmap,   // the kernel's dirty bitmap: see Engine::start_tracking()
  kExtents,  // what the image file no longer shares with the clone of the base
};

// Which devices a snapshot may be taken of.
enum class InUse : std::uint8_t {
  kAuto,     // also of one that is in use
  kOnline,   // in the way that allows others to use it, also if none does
  kOffline,  // only of one that nothing else uses
};

// For a snapshot of a device in use.
struct OnlineOptions {
  InUse in_use = InUse::kAuto;
  // For how long file systems may be frozen. When it has passed they are thawed, whatever was
  // read.
  std::chrono::milliseconds freeze_limit{2000};
  // How many times what was written meanwhile is read before that is tried with frozen file systems
  // in any case.
  std::uint32_t max_passes = 20;
  // How long to go on trying once everything was read for the first time.
  std::chrono::seconds deadline{60};
  // A program that is run with the argument "freeze" before file systems are frozen, or before it
  // is tried to find the device quiet, and always with "thaw" afterwards: it makes applications
  // write what they hold. Empty: none.
  std::string hook;
};

struct SnapshotOptions {
  std::string name;  // empty: none
  std::string description;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;  // used if the disk is registered by this call
  bool chunk_bytes_given = false;  // a disk registered with another chunk size is an error
  // Registers an image file as raw bytes, even if they are those of another image format (qcow2,
  // vmdk, vdi, vhd, vhdx, ...), which is refused otherwise.
  bool raw = false;
  // kBitmap, kExtents: an error if that tracker is not valid now.
  ChangeSource change_source = ChangeSource::kAuto;
  // For register_disk(): register a device as a new disk, even if its identity is in doubt or its
  // hardware id is that of a registered disk; the caller asserts that it is a different one.
  bool as_new = false;
  OnlineOptions online;
};

// For accept_snapshot(): metadata of the snapshot, and a token of the caller.
struct SnapshotNotes {
  std::uint32_t retention_days = 0;  // 0: kept until it is deleted
  std::vector<Tag> tags;
  // A repeated call with the same disk, token and parameters within a day returns the same
  // snapshot. Empty: no token.
  std::string client_token;
};

struct ImportOptions {
  std::string name;
  std::string description;
  // default: the image file's modification time; now, of a stream
  std::optional<std::int64_t> created_at;
  std::uint32_t chunk_bytes = kDefaultChunkBytes;
  bool chunk_bytes_given = false;
  bool raw = false;  // for the file, and for the target if this call registers it
};

struct ExportOptions {
  std::optional<Extent> range;  // of the device; nullopt: all of it
};

// Takes the next bytes of an image; its first error ends the export and is that of the call. The
// bytes are valid during the call.
using ImageSink = std::function<Status(std::span<const std::byte> bytes)>;
// Writes to a descriptor, which stays the caller's and may be a pipe. kCancelled once `cancel` is
// true, also while the reader of a pipe does not read. The sink may keep the pipe open: the reader
// sees the end when both are gone.
[[nodiscard]] BLKREWIND_API ImageSink write_to(int descriptor,
                                               const std::atomic<bool>* cancel = nullptr);

// What is read back from the device, bypassing the caches, after it was written and flushed.
enum class VerifyAfter : std::uint8_t {
  kAuto,     // kWritten if that is less than a tenth of the bytes read and written, otherwise kNone
  kNone,     // the receipt's digest is the expected one, not a verified one
  kWritten,  // the written data
  kAll,      // the whole device, which also shows changes that the change source missed
};

struct RollbackOptions {
  bool dry_run = false;  // only compute the totals of the plan; device and store are not changed
  bool undo = true;      // first save the data that will be overwritten
  ChangeSource change_source = ChangeSource::kAuto;
  VerifyAfter verify_after = VerifyAfter::kAuto;
  bool paranoid = false;  // the same as VerifyAfter::kAll
};

struct CloneOptions {
  std::string name = {};  // of the new disk's first snapshot; empty: none
  bool undo = true;       // first save the data of the target that will be overwritten
  bool raw = false;  // overwrite an image file of another format (qcow2, ...), refused otherwise
  VerifyAfter verify_after = VerifyAfter::kAuto;
};

struct AcceptOptions {
  std::string request_id;  // UUID in upper case; empty: a new one
  bool dry_run = false;    // if all rules are met, return the error DryRunOperation
  bool undo = true;
  bool ids_only = false;  // do not resolve paths, names and "latest": for remote clients
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

  // Reads the device; registers it by its first snapshot. One that others use is read beside them
  // (OnlineOptions), and what is kept is of one instant: kPrecondition if it does not become quiet
  // before the deadline, kBusy if a file system could not be frozen and read within the limit, or
  // somebody else has frozen it.
  [[nodiscard]] Result<SnapshotReceipt> snapshot(const std::string& target,
                                                 const SnapshotOptions& options = {},
                                                 const Monitor& monitor = {});
  // Imports a raw image of exactly the disk's size as a snapshot of the target. `file`: an image, a
  // block device, a pipe or another stream, or "-" for standard input. A stream is read once, by
  // one thread.
  [[nodiscard]] Result<SnapshotReceipt> import_image(const std::string& target,
                                                     const std::string& file,
                                                     const ImportOptions& options = {},
                                                     const Monitor& monitor = {});
  // `target`: of whose snapshots a name is looked up; empty: of all disks.
  [[nodiscard]] Result<SnapshotReader> open_snapshot(const std::string& snapshot,
                                                     const std::string& target = {});
  // The id of the snapshot of that id or name, or of "latest"; `target` as above. Also of one that
  // failed, or whose delete was interrupted. kInvalidArgument: several have the name.
  [[nodiscard]] Result<std::string> snapshot_id(const std::string& snapshot,
                                                const std::string& target = {});
  // Writes a new sparse file, or, for "-", every byte to standard output. An existing file is
  // refused.
  [[nodiscard]] Result<ExportReceipt> export_image(const std::string& snapshot,
                                                   const std::string& file,
                                                   const ExportOptions& options = {},
                                                   const Monitor& monitor = {});
  // Hands every byte to `sink`, in order.
  [[nodiscard]] Result<ExportReceipt> export_stream(const std::string& snapshot,
                                                    const ImageSink& sink,
                                                    const ExportOptions& options = {},
                                                    const Monitor& monitor = {});

  // Calls `visit` with the extents that differ, merged and in ascending order, as they are found:
  // between the device and a snapshot, or between two snapshots of the target.
  [[nodiscard]] Result<DiffReceipt> diff(const std::string& target, const std::string& snapshot,
                                         const std::optional<std::string>& other,
                                         const std::function<void(Extent)>& visit,
                                         const Monitor& monitor = {});

  [[nodiscard]] Result<RollbackReceipt> rollback(const std::string& target,
                                                 const std::string& snapshot,
                                                 const RollbackOptions& options = {},
                                                 const Monitor& monitor = {});
  // Writes a snapshot onto another device or file, which becomes a disk of its own and shares with
  // the snapshot what is stored: nothing is stored twice. `target`: a device or file that is not
  // registered and at least as large as the snapshot, all of which is overwritten (what is beyond
  // the snapshot with zeroes); or a path where there is nothing yet, for a sparse file. Writing is
  // a rollback of the new disk to its first snapshot, with all of its rules, and is resumed or
  // undone as such. If it is refused, nothing stays; nor if it fails or is cancelled and the file
  // was made for it. kBusy: another operation has worked on the snapshot's disk for ten seconds.
  // While the new disk exists, the snapshot and its disk cannot be removed.
  [[nodiscard]] Result<CloneReceipt> clone(const std::string& snapshot, const std::string& target,
                                           const CloneOptions& options = {},
                                           const Monitor& monitor = {});
  // Undoes the last rollback, or an interrupted one. The undo can itself be undone.
  [[nodiscard]] Result<RollbackReceipt> undo(const std::string& target, const Monitor& monitor = {},
                                             VerifyAfter verify_after = VerifyAfter::kAuto);
  // Finishes an interrupted rollback.
  [[nodiscard]] Result<RollbackReceipt> resume(const std::string& target,
                                               const Monitor& monitor = {},
                                               VerifyAfter verify_after = VerifyAfter::kAuto);

  // For servers, which answer before the work is done. Checks every rule and locks the disk for the
  // task; the accepted rollback is recorded, and the disk is shown as ReIniting. Accepting the
  // snapshot of an interrupted rollback again resumes that rollback.
  [[nodiscard]] Result<RollbackTask> accept_rollback(const std::string& target,
                                                     const std::string& snapshot,
                                                     const AcceptOptions& options = {});
  // For a registered target. The snapshot is shown as progressing immediately.
  [[nodiscard]] Result<SnapshotTask> accept_snapshot(const std::string& target,
                                                     const SnapshotOptions& options = {},
                                                     const SnapshotNotes& notes = {});
  // Returns accepted rollbacks whose process ended before they did, as new tasks. A task resumes a
  // rollback that had started; one that had not is started if it was accepted within the last hour.
  // If a rule now forbids the rollback, it is recorded as failed (DiskInfo::last_reset). kIo: a
  // write of the store by this process has failed, and only another process can go on.
  [[nodiscard]] Result<std::vector<RollbackTask>> unfinished_rollbacks();

  // Brings a store of an older format over to the present one, in place: nothing is copied. Until
  // then this version only reads it. Completes an upgrade that was interrupted; of a store of the
  // present format, does nothing. kBusy: another process uses the store. Of the options, `store`
  // and `allow_io_uring` count.
  [[nodiscard]] static Result<UpgradeReceipt> upgrade_store(const OpenOptions& options);

  // Reads every chunk and node of the given snapshots (none given: all) and checks every digest.
  // Damage is reported in the receipt and recorded in the snapshots; it is not an error of the
  // call. Of all, disks whose log cannot be read are in the receipt, and the others are verified.
  [[nodiscard]] Result<VerifyReceipt> verify(std::span<const std::string> snapshots,
                                             const Monitor& monitor = {});
  [[nodiscard]] Result<DeleteReceipt> remove_snapshot(const std::string& snapshot,
                                                      const Monitor& monitor = {});
  // Finishes interrupted deletes, removes files that crashed operations left, compacts the logs.
  [[nodiscard]] Result<CollectReceipt> collect(const Monitor& monitor = {});

  // Calls `visit` with one disk after another and its snapshots, oldest first, so that only one
  // disk is in memory at a time. An empty `target` selects every disk; those whose log cannot be
  // read have DiskInfo::trouble. Ends with the first error of `visit`, which must not call this
  // Engine.
  using VisitDisk = std::function<Status(const DiskInfo&, const std::vector<SnapshotInfo>&)>;
  [[nodiscard]] Status list(const std::string& target, const VisitDisk& visit);
  // All of them, or those with these ids; also those with DiskInfo::trouble. Each costs a read of
  // its log and a look at its device.
  [[nodiscard]] Result<std::vector<DiskInfo>> disks(
      const std::optional<std::vector<std::string>>& ids = {});
  // The error, if the disk's log cannot be read.
  [[nodiscard]] Result<DiskInfo> disk(const std::string& target);
  // Oldest first. An empty `disk_id` selects every disk; the error of one that cannot be read is
  // that of the call.
  [[nodiscard]] Result<std::vector<SnapshotInfo>> snapshots(const std::string& disk_id = {});
  // The ids of snapshots whose retention has ended, oldest first. Time is counted while it is
  // observed, by a clock that cannot be set: call this about once a minute while the program runs,
  // and delete the returned snapshots. Time during which the machine was off is added at the pace
  // at which time is observed afterwards.
  [[nodiscard]] Result<std::vector<std::string>> snapshots_past_retention();
  [[nodiscard]] Result<StoreInfo> store_info();

  // Disks and instances. A disk without a named instance belongs to "i-local".
  [[nodiscard]] Result<DiskInfo> register_disk(const std::string& target,
                                               const SnapshotOptions& options = {});
  [[nodiscard]] Status attach_disk(const std::string& target, const std::string& instance);
  [[nodiscard]] Status detach_disk(const std::string& target);
  // Declares that the device at `path` is this disk from now on (it moved, or was copied).
  [[nodiscard]] Status adopt_disk(const std::string& disk_id, const std::string& path);
  // Refused while the disk has snapshots, unless `with_snapshots`. If it is cancelled between two
  // snapshots, those already deleted are gone, and a repeated call continues. With `with_snapshots`
  // and its id, a disk whose log is damaged or missing is removed as well: it is returned with
  // DiskInfo::trouble. Returns the disk as it was.
  [[nodiscard]] Result<DiskInfo> forget_disk(const std::string& target, bool with_snapshots = false,
                                             const Monitor& monitor = {});

  // Starts recording where the target changes, in a bitmap in the kernel (kBitmap) or by a clone of
  // the image file (kExtents), so that operations need not read the whole device. kAuto: kBitmap
  // for a block device, kExtents for a file. Registers the target if it is not registered yet.
  // Earlier changes are unknown: the first snapshot or rollback afterwards still reads everything.
  [[nodiscard]] Result<TrackingInfo> start_tracking(const std::string& target,
                                                    ChangeSource source = ChangeSource::kAuto,
                                                    const SnapshotOptions& options = {});
  // Returns the names of the sources that were stopped; none: the target was not tracked.
  [[nodiscard]] Result<std::vector<std::string>> stop_tracking(const std::string& target);
  [[nodiscard]] Result<TrackingInfo> tracking(const std::string& target);

  [[nodiscard]] Result<InstanceInfo> create_instance(const std::string& id,
                                                     const std::string& name);
  // `dry_run`: if all rules are met, returns the error DryRunOperation.
  [[nodiscard]] Status start_instance(const std::string& id, bool dry_run = false);
  [[nodiscard]] Status stop_instance(const std::string& id, bool dry_run = false);
  [[nodiscard]] Status lock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status unlock_instance(const std::string& id, const std::string& reason);
  [[nodiscard]] Status change_instance(const std::string& id, const InstanceChange& change);
  [[nodiscard]] Status delete_instance(const std::string& id);
  [[nodiscard]] Result<InstanceInfo> instance(const std::string& id);
  [[nodiscard]] Result<std::vector<InstanceInfo>> instances();

 private:
  friend struct EngineAccess;  // opens an engine on a simulated machine, for tests
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  [[nodiscard]] Impl& impl();  // throws when this Engine was moved from
  std::unique_ptr<Impl> impl_;
};

// Lists the programs that track disks in this machine's kernel, of every store; needs no store.
[[nodiscard]] BLKREWIND_API Result<std::vector<PinnedTracking>> pinned_tracking();
// Stops those whose store or device is gone, and returns them. `dry_run`: stops none.
[[nodiscard]] BLKREWIND_API Result<std::vector<PinnedTracking>> prune_tracking(bool dry_run);

// Of the library that runs, "MAJOR.MINOR.PATCH"; BLKREWIND_VERSION_STRING (blkrewind/version.h) is
// that of the headers.
[[nodiscard]] BLKREWIND_API const char* version();

// Log messages, of all Engines of the process. Initially off.
enum class LogLevel : std::uint8_t { kOff, kError, kWarning, kInfo, kDebug };
BLKREWIND_API void set_log_level(LogLevel level);
// Messages go to `sink`; an empty one, as initially, is standard error. It is called by any thread
// that the library runs on, one at a time, with one message without a line break at its end.
// What it throws, or logs by calling the library, is dropped. It must not call set_log_sink(),
// which returns when no thread runs the former sink any more.
using LogSink = std::function<void(LogLevel, std::string_view)>;
BLKREWIND_API void set_log_sink(LogSink sink);

}  // namespace blkrewind
