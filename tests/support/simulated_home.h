// Where a bench on a simulated machine keeps its store: in files of the machine, or in a pool
// beside it. What is beside the machine is saved with each of its moments, so that a power cut
// of the machine, which is the client, leaves both as they were at one time:
//
//   local    files below SimulatedHome::folder()
//   memory   a MemoryPool
//   remote   a MemoryPool behind a RemoteNetwork, whose late requests outlive the power cut
#pragma once

#include <memory>
#include <string>

#include "operations/operations.h"
#include "store/home/home.h"
#include "support/remote_network.h"
#include "support/simulated_env.h"

namespace blkrewind::sim {

enum class HomeType : std::uint8_t { kLocal, kMemory, kRemote };

// Whether the operation writes to the log of disk 1, or (of a pool) to any log.
[[nodiscard]] bool is_of_log(const LoggedOp& op, HomeType home);

class SimulatedHome {
 public:
  // Of a new machine. Local: there is no store yet; otherwise an empty one.
  SimulatedHome(SimulatedEnv& machine, HomeType type);
  // Of a machine that comes back after a power cut.
  explicit SimulatedHome(SimulatedEnv& machine);

  [[nodiscard]] HomeType type() const;
  // As one more process sees it; empty: the store is at folder().
  [[nodiscard]] OpenHome open() const;
  // Everything of the store that the machine keeps is below it.
  [[nodiscard]] std::string folder() const;
  [[nodiscard]] std::string segments(format::DiskNumber disk) const;
  // Null: local.
  [[nodiscard]] MemoryPool* pool() const { return pool_.get(); }
  // Null: not remote.
  [[nodiscard]] RemoteNetwork* network() const { return network_.get(); }

 private:
  void save_with(SimulatedEnv& machine) const;

  std::shared_ptr<MemoryPool> pool_;
  std::shared_ptr<RemoteNetwork> network_;
};

}  // namespace blkrewind::sim
