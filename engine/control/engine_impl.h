// The implementation of Engine: names -> facts -> rules -> Operations. Nothing here reads or writes
// a device.
//
// Each public method is defined in one of engine_*.cc, and catches exceptions itself (caught.h);
// they may leave what is declared here (allocation, a caller's callback). Threads: as the Engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "blkrewind/engine.h"
#include "control/at_work.h"
#include "control/catalog/catalog.h"
#include "control/rules/facts.h"
#include "control/rules/resolve.h"
#include "io/env.h"
#include "operations/operations.h"

namespace blkrewind {

struct Engine::Impl {
  // `owned` may be null: then the caller owns `env`. `trackers`, `freezer` as in
  // OperationsOptions.
  [[nodiscard]] static Result<std::unique_ptr<Impl>> open(std::unique_ptr<io::Env> owned,
                                                          io::Env& env, const OpenOptions& options,
                                                          const std::string& catalog_path,
                                                          track::Trackers* trackers,
                                                          freeze::Freezer* freezer,
                                                          const OpenHome& home = {});

  // A registered disk and where its device is.
  struct Found {
    DiskView view;
    std::string path;
  };
  struct Registered {
    Found found;
    bool now = false;  // by this call
  };
  // A restore whose names have been resolved.
  struct Restore {
    control::ResetRequest request;
    control::ResetFound found;
    std::string takes_back;  // request id of the rollback to undo; or empty
  };

  [[nodiscard]] Moment moment() const { return clock_(); }
  [[nodiscard]] std::int64_t now() const { return clock_().wall; }

  // engine_snapshots.cc
  void remove_leftover_rows();
  // The disks that have a snapshot of this id or name ("latest": all). `disk`: the one to look at
  // first, and alone if it has it; 0: none. An error if a disk that cannot be read could decide it.
  [[nodiscard]] Result<std::vector<DiskView>> views_for(const std::string& snapshot,
                                                        format::DiskNumber disk);
  // engine_disks.cc. find: nullopt if no disk is registered under the target. need: the same as an
  // error InvalidDiskId.NotFound of class `code`.
  [[nodiscard]] Result<std::optional<Found>> find(const std::string& target);
  [[nodiscard]] Result<Found> need(const std::string& target, Errc code = Errc::kNotFound);
  [[nodiscard]] Result<Registered> find_or_register(const std::string& target,
                                                    std::uint32_t chunk_bytes,
                                                    bool chunk_bytes_given, bool raw,
                                                    bool as_new = false);
  void forget_if_empty(const Registered& registered);
  [[nodiscard]] Result<DiskInfo> describe(DiskView view);
  // Of a disk whose log is lost, which is `why` the others failed; given its id only.
  [[nodiscard]] Result<DiskInfo> forget_lost(const std::string& disk_id, Error why);

  // engine_snapshots.cc: by id, name or "latest"; a name is looked up among the snapshots of
  // `target`, or of all disks if that is empty.
  struct Named {
    std::vector<DiskView> views;
    control::FoundSnapshot found;  // points into `views`
  };
  enum class Deleting : std::uint8_t { kNo, kToo };  // whose delete was interrupted
  [[nodiscard]] Result<Named> look_up(const std::string& snapshot, const std::string& target,
                                      Deleting deleting = Deleting::kNo);
  struct Readable {
    SnapshotKey key;
    SnapshotInfo info;
  };
  [[nodiscard]] Result<Readable> need_readable(const std::string& snapshot,
                                               const std::string& target);
  // Oldest first.
  [[nodiscard]] std::vector<SnapshotInfo> describe_snapshots(const DiskView& view) const;
  // Whether a snapshot of this name can be taken of this disk now.
  [[nodiscard]] static Status check_new_snapshot(const Found& found, const std::string& target,
                                                 const std::string& name,
                                                 const std::string& description);

  // engine_restore.cc
  [[nodiscard]] Result<Restore> resolve(const std::string& target, const std::string& snapshot);
  [[nodiscard]] Status allow(const Restore& restore);
  [[nodiscard]] Result<RollbackReceipt> restore_to(const Restore& restore,
                                                   const RollbackOptions& options,
                                                   const Monitor& monitor);
  [[nodiscard]] Result<RollbackReceipt> continue_pending(const Found& found,
                                                         const std::string& target, bool backwards,
                                                         const Monitor& monitor,
                                                         VerifyAfter verify_after);

  // engine_tasks.cc
  [[nodiscard]] Result<Restore> resolve_task(const std::string& target, const std::string& snapshot,
                                             bool ids_only, bool held);
  [[nodiscard]] Status allow_task(Restore& restore, bool dry_run);
  // `taken_up`: a rollback that was accepted earlier; null: a new one.
  [[nodiscard]] Result<RollbackTask> accept(const std::string& target, const std::string& snapshot,
                                            const AcceptOptions& options,
                                            const format::ResetRecord* taken_up);
  [[nodiscard]] RollbackTask make_task(const Restore& restore, const format::ResetRecord& reset,
                                       std::shared_ptr<store::Lease> lock);
  // nullopt: there is nothing to do, or another process does it. `seen`: has an accepted reset.
  [[nodiscard]] Result<std::optional<RollbackTask>> take_up(const DiskView& seen);

  // engine_snapshot_task.cc: the id of the snapshot that these notes' token was used for; nullopt:
  // none. IdempotentParameterMismatch if it was used with other parameters.
  [[nodiscard]] Result<std::optional<std::string>> snapshot_of_token(format::DiskNumber disk,
                                                                     const NewNotes& notes);

  // engine_instances.cc
  [[nodiscard]] Result<InstanceInfo> describe_instance(
      const control::InstanceRow& row, const std::vector<format::DiskRecord>& disks);
  [[nodiscard]] std::vector<host::UsedBy> uses_of(const format::DiskRecord& disk);

  std::unique_ptr<io::Env> owned_env_;
  io::Env* env_ = nullptr;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<control::Catalog> catalog_;
  control::AtWork at_work_;
  bool accept_available_ = false;
  std::function<Moment()> clock_;
};

}  // namespace blkrewind
