// The Env itself, and power cuts. The controls are in simulated_controls.cc.
#include "support/simulated_env.h"

#include <algorithm>
#include <utility>

#include "support/simulated_file.h"

namespace blkrewind::sim {

SimulatedEnv::SimulatedEnv(const SimulatedOptions& options) : SimulatedEnv(State{}, options) {}

SimulatedEnv::SimulatedEnv(State state, const SimulatedOptions& options)
    : disk_(std::make_shared<SimulatedDisk>(std::move(state), options.seed, options.crash_after)) {}

Status SimulatedEnv::status(OpKind kind, const std::string& path, int error) const {
  if (error == 0) {
    return {};
  }
  Error made = op_error(kind, path, error);
  if (power_is_off()) {
    made.message += ": the power is off";
  }
  return fail(std::move(made));
}

Result<std::unique_ptr<io::File>> SimulatedEnv::open(const std::string& path,
                                                     const io::OpenOptions& options) {
  const bool writable = options.access == io::Access::kReadWrite;
  const auto happen_once = [&](std::function<void()>& what) {
    if (options.exclusive_device && what) std::exchange(what, nullptr)();
  };
  happen_once(before_claim_);
  auto handle = options.unnamed ? disk_->open_unnamed(path, options.direct)
                                : disk_->open(path, writable, options.direct, options.create_new,
                                              options.exclusive_device);
  if (!handle) {
    BLKREWIND_TRY(
        status(options.create_new ? OpKind::kCreate : OpKind::kOpen, path, handle.error()));
  }
  auto file = std::make_unique<SimulatedFile>(disk_, *std::move(handle));
  happen_once(after_claim_);
  return file;
}

Result<std::unique_ptr<io::Queue>> SimulatedEnv::make_queue(const io::QueueOptions& options) {
  if (options.depth == 0 || !is_aligned(options.slot_bytes, kDirectAlignmentBytes)) {
    return fail(Errc::kInvalidArgument, "a queue needs a depth and slots of whole 4096 bytes");
  }
  // Several threads make queues.
  const std::uint64_t bytes = std::uint64_t{options.slots} * options.slot_bytes;
  std::uint64_t largest = largest_pool_bytes_;
  while (largest < bytes && !largest_pool_bytes_.compare_exchange_weak(largest, bytes)) {
  }
  return std::make_unique<SimulatedQueue>(disk_, options);
}

Status SimulatedEnv::make_directory(const std::string& path) {
  return status(OpKind::kMakeDirectory, path, disk_->make_directory(path));
}

Status SimulatedEnv::rename(const std::string& from, const std::string& to) {
  return status(OpKind::kRename, from, disk_->rename(from, to));
}

Status SimulatedEnv::rename_new(const std::string& from, const std::string& to) {
  const int error = disk_->rename_new(from, to);
  if (error != EEXIST) return status(OpKind::kRename, from, error);
  return fail(Errc::kAlreadyExists, "there is already a file " + to,
              "name a file that does not exist yet");
}

Status SimulatedEnv::remove(const std::string& path) {
  return status(OpKind::kRemove, path, disk_->remove(path));
}

Status SimulatedEnv::sync_directory(const std::string& path) {
  return status(OpKind::kSyncDirectory, path, disk_->sync_directory(path));
}

Result<std::vector<std::string>> SimulatedEnv::list_directory(const std::string& path) {
  auto names = disk_->list_directory(path);
  if (!names) {
    BLKREWIND_TRY(status(OpKind::kLook, path, names.error()));
  }
  if (const auto happens = std::exchange(after_listing_, nullptr)) happens();
  return *std::move(names);
}

Result<bool> SimulatedEnv::exists(const std::string& path) {
  const auto inode = disk_->look(OpKind::kLook, path);
  if (!inode && inode.error() != ENOENT) {
    BLKREWIND_TRY(status(OpKind::kLook, path, inode.error()));
  }
  return inode.has_value();
}

Result<host::FileId> SimulatedEnv::identify(const std::string& path) {
  const auto inode = disk_->look(OpKind::kLook, path);
  if (!inode) {
    BLKREWIND_TRY(status(OpKind::kLook, path, inode.error()));
  }
  return host::FileId{kSimulatedDevice, *inode};
}

Result<std::uint64_t> SimulatedEnv::allocated_bytes(const std::string& path) {
  const auto inode = disk_->look(OpKind::kLook, path);
  if (!inode) {
    BLKREWIND_TRY(status(OpKind::kLook, path, inode.error()));
  }
  return disk_->with(
      [&](auto& inside) { return inside.state.allocated_bytes(inside.state.at(*inode)); });
}

Result<std::int64_t> SimulatedEnv::modified_at(const std::string& path) {
  const auto inode = disk_->look(OpKind::kLook, path);
  if (!inode) {
    BLKREWIND_TRY(status(OpKind::kLook, path, inode.error()));
  }
  return disk_->with([&](auto& inside) { return inside.state.at(*inode).modified_at; });
}

Result<std::unique_ptr<io::Lock>> SimulatedEnv::try_lock(const std::string& path,
                                                         std::uint64_t offset, io::LockMode mode) {
  if (before_try_lock_) std::exchange(before_try_lock_, nullptr)();
  const auto inode = disk_->look(OpKind::kLock, path);
  if (!inode) {
    BLKREWIND_TRY(status(OpKind::kLock, path, inode.error()));
  }
  return locks_->try_acquire(*inode, offset, mode);
}

Result<std::unique_ptr<io::Lock>> SimulatedEnv::lock(const std::string& path, std::uint64_t offset,
                                                     io::LockMode mode) {
  const auto inode = disk_->look(OpKind::kLock, path);
  if (!inode) {
    BLKREWIND_TRY(status(OpKind::kLock, path, inode.error()));
  }
  auto held = locks_->acquire(*inode, offset, mode);
  if (!held) {
    return fail(Errc::kBusy, "this thread already holds a conflicting lock on " + path);
  }
  return held;
}

Result<bool> SimulatedEnv::is_locked(const std::string& path, std::uint64_t offset) {
  BLKREWIND_ASSIGN(const auto lock, try_lock(path, offset, io::LockMode::kShared));
  return lock == nullptr;
}

Result<host::DeviceInfo> SimulatedEnv::probe(const std::string& path) {
  auto info = disk_->probe(path);
  if (!info) {
    BLKREWIND_TRY(status(OpKind::kLook, path, info.error()));
  }
  return *std::move(info);
}

Result<host::DeviceInfo> SimulatedEnv::probe(io::File& file) {
  const auto* simulated = dynamic_cast<SimulatedFile*>(&file);
  if (simulated == nullptr) return fail(Errc::kInternal, "a file of another Env");
  auto info = disk_->probe(simulated->handle());
  if (info) return *std::move(info);
  if (info.error() == EXDEV) {
    return fail(Errc::kBusy, file.path() + " was given to another device while it was looked at",
                "see what it is now, then try again");
  }
  BLKREWIND_TRY(status(OpKind::kLook, file.path(), info.error()));
  return fail(Errc::kInternal, "unreachable");
}

Result<bool> SimulatedEnv::lives_on(const std::string& directory, const host::DeviceInfo& device) {
  for (const std::string& path : {directory, device.path}) {
    if (const auto inode = disk_->look(OpKind::kLook, path); !inode) {
      // The directory may be about to be created.
      if (inode.error() != ENOENT || path != directory) {
        BLKREWIND_TRY(status(OpKind::kLook, path, inode.error()));
      }
    }
  }
  return disk_->with([&](auto& inside) {
    const auto inode = inside.state.find(device.path);
    return inode && inside.state.at(*inode).holds_store;
  });
}

std::unique_ptr<SimulatedEnv> SimulatedEnv::crash(std::uint64_t seed) const {
  const CrashSpace space(disk_->with([](auto& inside) { return inside.moment(); }), {});
  Random random(seed);
  return std::unique_ptr<SimulatedEnv>(
      new SimulatedEnv(space.outcome(space.draw(random)), {random.next(), kNever}));
}

CrashCoverage SimulatedEnv::crash_states(std::uint64_t limit, const CrashVisitor& visit,
                                         const CrashOptions& options) const {
  const CrashSpace space(disk_->with([](auto& inside) { return inside.moment(); }), options);
  CrashCoverage coverage;
  const auto visit_one = [&](const std::vector<Fate>& fates) {
    ++coverage.visited;
    return visit(std::unique_ptr<SimulatedEnv>(new SimulatedEnv(
                     space.outcome(fates), {options.seed + coverage.visited, kNever})),
                 space.describe(fates));
  };
  const std::uint64_t combinations = space.combinations();
  if (combinations <= limit) {
    for (std::uint64_t i = 0; i < combinations; ++i) {
      if (!visit_one(space.combination(i))) {
        return coverage;
      }
    }
    coverage.exhaustive = true;
    return coverage;
  }
  // The systematic ones first, then random ones.
  const std::size_t count = space.operations();
  Random random(options.seed);
  while (coverage.visited < limit) {
    const std::uint64_t turn = coverage.visited;
    const bool go_on = turn <= count       ? visit_one(space.prefix(turn))
                       : turn <= 2 * count ? visit_one(space.all_but(turn - count - 1))
                                           : visit_one(space.draw(random));
    if (!go_on) {
      break;
    }
  }
  return coverage;
}

}  // namespace blkrewind::sim
