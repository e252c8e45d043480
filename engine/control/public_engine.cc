// The public face: every call goes to the Impl, and no exception comes out.
#include <utility>

#include "control/engine_impl.h"
#include "control/engine_internal.h"
#include "control/guarded.h"

namespace blkrewind {
namespace {

// `call` of the Impl, unless the Engine was moved from.
template <class Impl, class Body>
auto with(const std::unique_ptr<Impl>& impl, const Body& call) noexcept -> decltype(call(*impl)) {
  return guarded([&]() -> decltype(call(*impl)) {
    if (!impl) return fail(Errc::kInvalidArgument, "this Engine was moved from");
    return call(*impl);
  });
}

}  // namespace

Result<std::unique_ptr<Engine::Impl>> Engine::Impl::open(std::unique_ptr<io::Env> owned,
                                                         io::Env& env, const OpenOptions& options,
                                                         const std::string& catalog_path) {
  std::unique_ptr<Impl> impl(new Impl);
  impl->owned_env_ = std::move(owned);
  impl->env_ = &env;
  impl->accept_available_ = options.accept_available_disks;
  impl->clock_ = moment_now;
  OperationsOptions wanted;
  wanted.store = options.store;
  wanted.create = options.create;
  wanted.threads = options.threads;
  wanted.buffer_bytes = options.buffer_bytes;
  // Trackers of devices of this machine do not apply to a simulated one.
  if (impl->owned_env_) wanted.trackers = &track::local_trackers();
  BLKREWIND_ASSIGN(impl->operations_, Operations::open(env, wanted));
  BLKREWIND_ASSIGN(impl->catalog_, control::Catalog::open(catalog_path));
  return impl;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::open(const OpenOptions& options) {
  return guarded([&]() -> Result<Engine> {
    if (options.store.empty()) {
      return fail(Errc::kInvalidArgument, "no store was named", "name the store's directory");
    }
    io::LocalEnvOptions local;
    local.allow_io_uring = options.allow_io_uring;
    std::unique_ptr<io::Env> env = io::make_local_env(local);
    io::Env& used = *env;
    BLKREWIND_ASSIGN(auto impl,
                     Impl::open(std::move(env), used, options, options.store + "/catalog.db"));
    return Engine(std::move(impl));
  });
}

Result<SnapshotReceipt> Engine::snapshot(const std::string& target, const SnapshotOptions& options,
                                         const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.snapshot(target, options, monitor); });
}
Result<SnapshotReceipt> Engine::import_image(const std::string& target, const std::string& file,
                                             const ImportOptions& options, const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.import_image(target, file, options, monitor); });
}
Result<ExportReceipt> Engine::export_image(const std::string& snapshot, const std::string& file,
                                           const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.export_image(snapshot, file, monitor); });
}
Result<DiffReceipt> Engine::diff(const std::string& target, const std::string& snapshot,
                                 const std::optional<std::string>& other,
                                 const std::function<void(Extent)>& visit, const Monitor& monitor) {
  return with(impl_,
              [&](Impl& impl) { return impl.diff(target, snapshot, other, visit, monitor); });
}

Result<RollbackReceipt> Engine::rollback(const std::string& target, const std::string& snapshot,
                                         const RollbackOptions& options, const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.rollback(target, snapshot, options, monitor); });
}
Result<RollbackReceipt> Engine::undo(const std::string& target, const Monitor& monitor,
                                     VerifyAfter verify_after) {
  return with(impl_, [&](Impl& impl) { return impl.undo(target, monitor, verify_after); });
}
Result<RollbackReceipt> Engine::resume(const std::string& target, const Monitor& monitor,
                                       VerifyAfter verify_after) {
  return with(impl_, [&](Impl& impl) { return impl.resume(target, monitor, verify_after); });
}

Result<RollbackTask> Engine::accept_rollback(const std::string& target, const std::string& snapshot,
                                             const AcceptOptions& options) {
  return with(impl_, [&](Impl& impl) { return impl.accept_rollback(target, snapshot, options); });
}
Result<SnapshotTask> Engine::accept_snapshot(const std::string& target,
                                             const SnapshotOptions& options,
                                             const SnapshotNotes& notes) {
  return with(impl_, [&](Impl& impl) { return impl.accept_snapshot(target, options, notes); });
}
Result<std::vector<RollbackTask>> Engine::unfinished_rollbacks() {
  return with(impl_, [](Impl& impl) { return impl.unfinished_rollbacks(); });
}

Result<VerifyReceipt> Engine::verify(std::span<const std::string> snapshots,
                                     const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.verify(snapshots, monitor); });
}
Result<DeleteReceipt> Engine::remove_snapshot(const std::string& snapshot, const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.remove_snapshot(snapshot, monitor); });
}
Result<CollectReceipt> Engine::collect(const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.collect(monitor); });
}

Result<std::vector<DiskInfo>> Engine::disks() {
  return with(impl_, [](Impl& impl) { return impl.disks(); });
}
Result<DiskInfo> Engine::disk(const std::string& target) {
  return with(impl_, [&](Impl& impl) { return impl.disk(target); });
}
Result<std::vector<SnapshotInfo>> Engine::snapshots(const std::string& disk_id) {
  return with(impl_, [&](Impl& impl) { return impl.snapshots(disk_id); });
}
Result<std::vector<std::string>> Engine::snapshots_past_retention() {
  return with(impl_, [](Impl& impl) { return impl.snapshots_past_retention(); });
}
Result<StoreInfo> Engine::store_info() {
  return with(impl_, [](Impl& impl) { return impl.store_info(); });
}

Result<DiskInfo> Engine::register_disk(const std::string& target, const SnapshotOptions& options) {
  return with(impl_, [&](Impl& impl) { return impl.register_disk(target, options); });
}
Status Engine::attach_disk(const std::string& target, const std::string& instance) {
  return with(impl_, [&](Impl& impl) { return impl.attach_disk(target, instance); });
}
Status Engine::detach_disk(const std::string& target) {
  return with(impl_, [&](Impl& impl) { return impl.detach_disk(target); });
}
Status Engine::adopt_disk(const std::string& disk_id, const std::string& path) {
  return with(impl_, [&](Impl& impl) { return impl.adopt_disk(disk_id, path); });
}
Status Engine::forget_disk(const std::string& target, bool with_snapshots, const Monitor& monitor) {
  return with(impl_, [&](Impl& impl) { return impl.forget_disk(target, with_snapshots, monitor); });
}

Result<TrackingInfo> Engine::start_tracking(const std::string& target, ChangeSource source,
                                            const SnapshotOptions& options) {
  return with(impl_, [&](Impl& impl) { return impl.start_tracking(target, source, options); });
}
Result<std::vector<std::string>> Engine::stop_tracking(const std::string& target) {
  return with(impl_, [&](Impl& impl) { return impl.stop_tracking(target); });
}
Result<TrackingInfo> Engine::tracking(const std::string& target) {
  return with(impl_, [&](Impl& impl) { return impl.tracking(target); });
}

Result<InstanceInfo> Engine::create_instance(const std::string& id, const std::string& name) {
  return with(impl_, [&](Impl& impl) { return impl.create_instance(id, name); });
}
Status Engine::start_instance(const std::string& id, bool dry_run) {
  return with(impl_, [&](Impl& impl) { return impl.start_instance(id, dry_run); });
}
Status Engine::stop_instance(const std::string& id, bool dry_run) {
  return with(impl_, [&](Impl& impl) { return impl.stop_instance(id, dry_run); });
}
Status Engine::lock_instance(const std::string& id, const std::string& reason) {
  return with(impl_, [&](Impl& impl) { return impl.lock_instance(id, reason); });
}
Status Engine::unlock_instance(const std::string& id, const std::string& reason) {
  return with(impl_, [&](Impl& impl) { return impl.unlock_instance(id, reason); });
}
Status Engine::change_instance(const std::string& id, const InstanceChange& change) {
  return with(impl_, [&](Impl& impl) { return impl.change_instance(id, change); });
}
Status Engine::delete_instance(const std::string& id) {
  return with(impl_, [&](Impl& impl) { return impl.delete_instance(id); });
}
Result<InstanceInfo> Engine::instance(const std::string& id) {
  return with(impl_, [&](Impl& impl) { return impl.instance(id); });
}
Result<std::vector<InstanceInfo>> Engine::instances() {
  return with(impl_, [](Impl& impl) { return impl.instances(); });
}

Result<Engine> EngineAccess::open(io::Env& env, const OpenOptions& options,
                                  const std::string& catalog_path) {
  BLKREWIND_ASSIGN(auto impl, Engine::Impl::open(nullptr, env, options, catalog_path));
  return Engine(std::move(impl));
}
Result<Engine> EngineAccess::open_beside_writers(const OpenOptions& options) {
  std::unique_ptr<io::Env> env =
      io::make_local_env({.allow_io_uring = options.allow_io_uring, .refuse_writers = false});
  io::Env& used = *env;
  BLKREWIND_ASSIGN(
      auto impl, Engine::Impl::open(std::move(env), used, options, options.store + "/catalog.db"));
  return Engine(std::move(impl));
}
void EngineAccess::set_clock(Engine& engine, std::function<std::int64_t()> clock) {
  engine.impl_->clock_ = [wall = std::move(clock)] {
    Moment moment = moment_now();
    moment.wall = wall();
    return moment;
  };
}
void EngineAccess::set_moments(Engine& engine, std::function<Moment()> moments) {
  engine.impl_->clock_ = std::move(moments);
}
Operations& EngineAccess::operations(Engine& engine) { return *engine.impl_->operations_; }
control::Catalog& EngineAccess::catalog(Engine& engine) { return *engine.impl_->catalog_; }

const char* version() { return BLKREWIND_VERSION; }

}  // namespace blkrewind
