#include "support/simulated_home.h"

#include <stdexcept>
#include <utility>

#include "store/store.h"
#include "support/memory_home.h"
#include "support/remote_home.h"

namespace blkrewind::sim {
namespace {

constexpr const char* kLocalStore = "/store";
constexpr const char* kPool = "/pool";

// Copies, whose machine is not used and may be gone.
struct PoolMoment final : Beside {
  std::shared_ptr<MemoryPool> pool;
  std::shared_ptr<RemoteNetwork> network;  // null: there is none

  [[nodiscard]] std::uint64_t fingerprint() const override {
    return pool->fingerprint() + (network ? network->late() : 0);
  }
};

format::StoreHeader new_header() {
  auto header = store::Store::new_header();
  if (!header) throw std::runtime_error(header.error().to_string());
  return *header;
}

}  // namespace

bool is_of_log(const LoggedOp& op, HomeType home) {
  if (home != HomeType::kLocal) return op.kind == OpKind::kSyncDirectory && op.path == kPool;
  const bool writes =
      op.kind == OpKind::kWrite || op.kind == OpKind::kWriteZeroes || op.kind == OpKind::kDiscard;
  return writes && op.path.starts_with(std::string(kLocalStore) + "/disks/1/log");
}

SimulatedHome::SimulatedHome(SimulatedEnv& machine, HomeType type) {
  if (type == HomeType::kLocal) return;
  pool_ = std::make_shared<MemoryPool>(machine, new_header(), kPool);
  if (type == HomeType::kRemote) network_ = std::make_shared<RemoteNetwork>(pool_, 1);
  save_with(machine);
}

SimulatedHome::SimulatedHome(SimulatedEnv& machine) {
  const auto before = std::dynamic_pointer_cast<const PoolMoment>(machine.beside());
  if (before == nullptr) return;
  pool_ = std::make_shared<MemoryPool>(*before->pool, machine);
  if (before->network) {
    network_ = std::make_shared<RemoteNetwork>(*before->network, pool_);
    network_->set_chances({.late_arrives = 5});
    // Before the next process comes, or while it works.
    if (Random(before->fingerprint()).percent(50)) network_->deliver_late();
  }
  save_with(machine);
}

void SimulatedHome::save_with(SimulatedEnv& machine) const {
  machine.set_beside([pool = pool_, network = network_] {
    auto moment = std::make_shared<PoolMoment>();
    moment->pool = std::make_shared<MemoryPool>(*pool, pool->machine());
    if (network) moment->network = std::make_shared<RemoteNetwork>(*network, moment->pool);
    return moment;
  });
}

HomeType SimulatedHome::type() const {
  if (network_) return HomeType::kRemote;
  return pool_ ? HomeType::kMemory : HomeType::kLocal;
}

OpenHome SimulatedHome::open() const {
  if (!pool_) return {};
  return [pool = pool_, network = network_]() -> Result<std::unique_ptr<store::Home>> {
    if (network) return std::make_unique<RemoteHome>(network);
    return std::make_unique<MemoryHome>(pool);
  };
}

std::string SimulatedHome::folder() const { return pool_ ? pool_->folder() : kLocalStore; }

std::string SimulatedHome::segments(format::DiskNumber disk) const {
  if (pool_) return pool_->segments_of(disk);
  return std::string(kLocalStore) + "/disks/" + std::to_string(disk) + "/segments";
}

}  // namespace blkrewind::sim
