// An Engine is opened, here and for tests; what it does is in the other engine_*.cc.
#include <utility>

#include "blkrewind/version.h"
#include "control/caught.h"
#include "control/engine_impl.h"
#include "control/engine_internal.h"

namespace blkrewind {

Result<std::unique_ptr<Engine::Impl>> Engine::Impl::open(std::unique_ptr<io::Env> owned,
                                                         io::Env& env, const OpenOptions& options,
                                                         const std::string& catalog_path,
                                                         track::Trackers* trackers,
                                                         freeze::Freezer* freezer,
                                                         const OpenHome& home) {
  std::unique_ptr<Impl> impl(new Impl);
  impl->owned_env_ = std::move(owned);
  impl->env_ = &env;
  impl->accept_available_ = options.accept_available_disks;
  impl->clock_ = moment_now;
  OperationsOptions wanted;
  wanted.store = options.store;
  wanted.home = home;
  wanted.create = options.create;
  wanted.threads = options.threads;
  wanted.buffer_bytes = options.buffer_bytes;
  wanted.cache_bytes = options.cache_bytes;
  wanted.trackers = trackers;
  wanted.freezer = freezer;
  BLKREWIND_ASSIGN(impl->operations_, Operations::open(env, wanted));
  BLKREWIND_ASSIGN(impl->catalog_, control::Catalog::open(catalog_path));
  return impl;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine::Impl& Engine::impl() {
  if (!impl_) throw MovedFrom("this Engine was moved from");
  return *impl_;
}

Result<Engine> Engine::open(const OpenOptions& options) try {
  if (options.store.empty()) {
    return fail(Errc::kInvalidArgument, "no store was named", "name the store's directory");
  }
  io::LocalEnvOptions local;
  local.allow_io_uring = options.allow_io_uring;
  std::unique_ptr<io::Env> env = io::make_local_env(local);
  io::Env& used = *env;
  BLKREWIND_ASSIGN(auto impl,
                   Impl::open(std::move(env), used, options, options.store + "/catalog.db",
                              &track::local_trackers(), &freeze::local_freezer()));
  return Engine(std::move(impl));
} catch (...) {
  return fail(caught());
}

Result<Engine> EngineAccess::open(io::Env& env, const OpenOptions& options,
                                  const std::string& catalog_path, track::Trackers* trackers,
                                  const OpenHome& home, freeze::Freezer* freezer) {
  BLKREWIND_ASSIGN(
      auto impl, Engine::Impl::open(nullptr, env, options, catalog_path, trackers, freezer, home));
  return Engine(std::move(impl));
}
Result<Engine> EngineAccess::open_beside_writers(const OpenOptions& options) {
  std::unique_ptr<io::Env> env =
      io::make_local_env({.allow_io_uring = options.allow_io_uring, .refuse_writers = false});
  io::Env& used = *env;
  BLKREWIND_ASSIGN(auto impl,
                   Engine::Impl::open(std::move(env), used, options, options.store + "/catalog.db",
                                      &track::local_trackers(), &freeze::local_freezer()));
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

const char* version() { return BLKREWIND_VERSION_STRING; }

}  // namespace blkrewind
