// Others that use the device of a simulated machine while a snapshot of it is taken: file systems
// that can be frozen, and writers that act at every step of the operation.
//
//   SimulatedUse use(env, kDevice, kChunk);
//   use.mount("/mnt");
//   use.on_step = [&](UseStep step) { use.write(4096, bytes); };
//   Operations::open(env, {..., .trackers = &use.trackers(), .freezer = &use});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "freeze/freezer.h"
#include "support/simulated_env.h"
#include "support/simulated_trackers.h"
#include "track/watch.h"

namespace blkrewind::test {

// When others act: just before, or for kFlip just after, the operation does it.
enum class UseStep : std::uint8_t {
  kLook,
  kFlip,
  kQuiet,
  kWriteBack,
  kFreeze,
  kHeldAsked,
  kThaw,
};

class SimulatedUse final : public freeze::Freezer {
 public:
  SimulatedUse(sim::SimulatedEnv& env, std::string path, std::uint32_t chunk_bytes);
  ~SimulatedUse() override;

  void mount(const std::string& mount_point, const std::string& type = "ext4");
  void add_raw_user(const std::string& what);
  [[nodiscard]] host::Stack& stack() { return stack_; }
  // The super blocks below the store.
  void set_store_on(std::vector<host::DeviceNumber> supers) { store_on_ = std::move(supers); }

  std::function<void(UseStep)> on_step;

  // By a process, through a file system: nothing happens while that is frozen.
  void write(std::uint64_t offset, const std::vector<std::byte>& bytes);
  // Past every file system.
  void write_raw(std::uint64_t offset, const std::vector<std::byte>& bytes);
  // The same in two halves: the second puts the bytes, and ends it.
  void begin_write(Extent extent);
  void end_write(std::uint64_t offset, const std::vector<std::byte>& bytes);
  // A write of unknown extent.
  void let_escape(const char* why) { escaped_ = why; }
  // Marks cannot be had.
  void without_marks() { marks_ = false; }

  // The limit passes, or somebody else thaws: from the next kHeldAsked on.
  void let_go() { held_ = false; }
  void refuse_freeze(Error error) { refusal_ = std::move(error); }

  [[nodiscard]] bool frozen() const { return frozen_; }
  [[nodiscard]] unsigned freezes() const { return freezes_; }
  // The device at the last flip.
  [[nodiscard]] const std::vector<std::byte>& at_flip() const { return at_flip_; }
  // Writes to the store, and the like, while something was frozen.
  [[nodiscard]] std::uint64_t mutations_while_frozen() const { return mutations_; }
  [[nodiscard]] SimulatedTrackers& trackers() { return trackers_; }

  Result<host::Stack> stack_on(const std::vector<host::DeviceInfo>& devices) override;
  Result<std::vector<host::DeviceNumber>> supers_below(const std::string& directory) override;
  Result<std::vector<freeze::Held>> open(const std::vector<host::MountedSuper>& supers) override;
  void write_back(const std::vector<freeze::Held>& held, unsigned tries) override;
  Result<std::unique_ptr<freeze::Freeze>> prepare(std::vector<freeze::Held> held,
                                                  std::chrono::milliseconds limit) override;

 private:
  friend class SimulatedWatch;
  friend class SimulatedFreeze;
  void act(UseStep step) {
    if (on_step) on_step(step);
  }
  void mark(Extent extent);

  sim::SimulatedEnv& env_;
  const std::string path_;
  const std::uint32_t chunk_bytes_;
  SimulatedTrackers trackers_;
  host::Stack stack_;
  std::vector<host::DeviceNumber> store_on_;
  bool marks_ = true;
  std::set<std::uint64_t> now_;     // chunks, since the last flip
  std::set<std::uint64_t> former_;  // before it
  unsigned under_way_ = 0;
  const char* escaped_ = "";
  bool frozen_ = false;
  bool held_ = true;
  unsigned freezes_ = 0;
  std::optional<Error> refusal_;
  std::vector<std::byte> at_flip_;
  std::uint64_t mutations_at_freeze_ = 0;
  std::uint64_t mutations_ = 0;
};

}  // namespace blkrewind::test
