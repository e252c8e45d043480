// What tracks the device of a simulated machine: the engine's own tracker, and in the place of the
// kernel's program this object, which is told of every write.
//
//   SimulatedTrackers trackers;
//   trackers.watch(env, kDevice);
//   Operations::open(env, {..., .trackers = &trackers});
//
// Its memory is the kernel's: it outlives a process that is killed (kill()), and not a power cut
// (reboot()).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/simulated_env.h"
#include "track/bitmap/dirty_bits_tracker.h"
#include "track/bitmap/kernel/changes_abi.h"
#include "track/trackers.h"

namespace blkrewind::test {

class SimulatedTrackers final : public track::Trackers {
 public:
  // Follows the writes to that device from here on.
  void watch(sim::SimulatedEnv& env, const std::string& path);
  // Another process is about to write.
  void foreign_write(Extent extent);
  // The process is gone: existing trackers do nothing more, not even in their destructors. An
  // injected fault has the same effect on the trackers that exist when it occurs.
  void kill() { ++*life_; }
  // Nothing is tracked any more.
  void reboot();
  // How a watch is started; unless set, there is none.
  using StartWatch = std::function<Result<std::unique_ptr<track::Watch>>()>;
  void set_start_watch(StartWatch start) { start_watch_ = std::move(start); }

  [[nodiscard]] Status start(track::TrackerKind kind, const track::TrackedDisk& disk) override;
  [[nodiscard]] Result<std::vector<std::string>> stop(const track::TrackedDisk& disk) override;
  [[nodiscard]] std::vector<std::unique_ptr<track::Tracker>> find(
      const track::TrackedDisk& disk) override;
  [[nodiscard]] Result<std::unique_ptr<track::Watch>> start_watch(
      const track::TrackedDisk& disk) override {
    return start_watch_ ? start_watch_() : Trackers::start_watch(disk);
  }
  [[nodiscard]] Result<std::vector<track::TrackerState>> states(
      const track::TrackedDisk& disk, const std::string& base_snapshot) override;

 private:
  struct Memory {
    blkrewind_control control{};
    std::vector<std::uint64_t> bits;
  };
  void mark(Extent extent, bool own);

  std::unique_ptr<Memory> memory_;
  // Trackers whose process was killed; they refer to the memory.
  std::shared_ptr<std::vector<std::unique_ptr<track::DirtyBitsTracker>>> graveyard_ =
      std::make_shared<std::vector<std::unique_ptr<track::DirtyBitsTracker>>>();
  sim::SimulatedEnv* env_ = nullptr;
  StartWatch start_watch_;
  std::string path_;
  std::shared_ptr<std::uint64_t> life_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace blkrewind::test
