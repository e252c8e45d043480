#include "support/simulated_trackers.h"

#include <bit>
#include <utility>

#include "track/bitmap/dirty_bits_tracker.h"

namespace blkrewind::test {
namespace {

using track::Collected;
using track::TrackUse;
using Graveyard = std::vector<std::unique_ptr<track::DirtyBitsTracker>>;

// Ended by a kill: its remaining actions are not executed.
class MortalTracker final : public track::Tracker {
 public:
  MortalTracker(std::unique_ptr<track::DirtyBitsTracker> tracker,
                std::shared_ptr<std::uint64_t> life, std::shared_ptr<Graveyard> graveyard,
                const sim::SimulatedEnv& env)
      : tracker_(std::move(tracker)),
        life_(std::move(life)),
        graveyard_(std::move(graveyard)),
        env_(env),
        born_(*life_),
        faults_(env.fault_hits()) {}
  ~MortalTracker() override {
    // Its destructor would clean up: that has to wait until its memory no longer matters.
    if (!alive()) graveyard_->push_back(std::move(tracker_));
  }

  const char* name() const override { return tracker_->name(); }
  Result<std::optional<std::string>> begin(const std::string& base_snapshot,
                                           TrackUse use) override {
    return tracker_->begin(base_snapshot, use);
  }
  Result<Extent> changed(std::uint64_t offset) override { return tracker_->changed(offset); }
  void wrote(std::uint64_t bytes) override { tracker_->wrote(bytes); }
  Status prepare(const std::string& id, Collected before) override {
    return alive() ? tracker_->prepare(id, before) : Status{};
  }
  Status commit() override { return alive() ? tracker_->commit() : Status{}; }
  Status abandon() override { return alive() ? tracker_->abandon() : Status{}; }
  Status distrust(const std::string& why) override {
    return alive() ? tracker_->distrust(why) : Status{};
  }

 private:
  [[nodiscard]] bool alive() const { return *life_ == born_ && env_.fault_hits() == faults_; }

  std::unique_ptr<track::DirtyBitsTracker> tracker_;
  const std::shared_ptr<std::uint64_t> life_;
  const std::shared_ptr<Graveyard> graveyard_;
  const sim::SimulatedEnv& env_;
  const std::uint64_t born_;
  const std::uint64_t faults_;
};

}  // namespace

void SimulatedTrackers::watch(sim::SimulatedEnv& env, const std::string& path) {
  path_ = path;
  env_ = &env;
  env.set_on_change([this](const std::string& changed, Extent extent) {
    if (changed == path_) mark(extent, true);
  });
}

void SimulatedTrackers::foreign_write(Extent extent) { mark(extent, false); }

void SimulatedTrackers::reboot() {
  kill();
  graveyard_->clear();
  memory_.reset();
}

void SimulatedTrackers::mark(Extent extent, bool own) {
  if (!memory_ || extent.empty()) return;
  blkrewind_control& control = memory_->control;
  if (control.self != 0) {
    (own ? control.own_sectors : control.foreign_sectors) += extent.length / 512;
    control.completed_sectors += extent.length / 512;
  }
  const std::uint64_t first = extent.offset >> control.granule_shift;
  const std::uint64_t last = (extent.end() - 1) >> control.granule_shift;
  for (std::uint64_t granule = first; granule <= last; ++granule) {
    memory_->bits[(control.active & 1) * control.words + granule / 64] |= std::uint64_t{1}
                                                                          << granule % 64;
  }
}

Status SimulatedTrackers::start(track::TrackerKind kind, const track::TrackedDisk& disk) {
  if (kind != track::TrackerKind::kBitmap || disk.path != path_) {
    return fail(Errc::kUnsupported, "this cannot be tracked");
  }
  reboot();
  memory_ = std::make_unique<Memory>();
  memory_->control.version = BLKREWIND_CHANGES_VERSION;
  memory_->control.granule_shift = static_cast<__u32>(std::countr_zero(disk.chunk_bytes));
  memory_->control.words = disk.device_bytes / disk.chunk_bytes / 64 + 1;
  memory_->bits.resize(memory_->control.words * BLKREWIND_GENERATIONS);
  return {};
}

Result<std::vector<std::string>> SimulatedTrackers::stop(const track::TrackedDisk&) {
  std::vector<std::string> stopped;
  if (memory_) stopped.emplace_back("bitmap");
  reboot();
  return stopped;
}

std::vector<std::unique_ptr<track::Tracker>> SimulatedTrackers::find(
    const track::TrackedDisk& disk) {
  std::vector<std::unique_ptr<track::Tracker>> found;
  if (!memory_ || disk.path != path_) return found;
  auto tracker = std::make_unique<track::DirtyBitsTracker>(
      memory_->control, memory_->bits, std::span<blkrewind_bucket>(), disk.device_bytes,
      [] { return Status{}; });
  found.push_back(std::make_unique<MortalTracker>(std::move(tracker), life_, graveyard_, *env_));
  return found;
}

Result<std::vector<track::TrackerState>> SimulatedTrackers::states(
    const track::TrackedDisk&, const std::string& base_snapshot) {
  std::vector<track::TrackerState> states;
  if (!memory_) return states;
  const track::Generations generations(memory_->control, memory_->bits);
  track::TrackerState& state = states.emplace_back();
  state.name = "bitmap";
  state.why = generations.why_not(base_snapshot).value_or("");
  state.valid = state.why.empty();
  return states;
}

}  // namespace blkrewind::test
