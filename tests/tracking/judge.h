// The check whenever the writers pause: a tracker reports every place where the device differs from
// the base.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "track/tracker.h"
#include "tracking/stage.h"

namespace blkrewind::tracking {

// A violated promise.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Tally {
  std::uint64_t rounds = 0;
  std::uint64_t barriers = 0;
  std::uint64_t snapshots = 0;  // base snapshots moved this way
  std::uint64_t rollbacks = 0;
  std::uint64_t deaths = 0;     // operations that were killed
  std::uint64_t abandoned = 0;  // that gave up
  std::uint64_t marked = 0;     // chunks, at barriers
  std::uint64_t changed = 0;
  std::uint64_t bytes = 0;  // written by other processes
  std::uint64_t writes = 0;

  void add(const Tally& other);
};

[[nodiscard]] track::TrackedDisk tracked_disk(const Stage& stage, const std::string& store,
                                              const std::string& disk);

class Judge {
 public:
  Judge(const Stage& stage, track::TrackedDisk disk);

  // While the writers pause. `base`: the content of the snapshot `base_snapshot`. Throws Broken.
  void look(const std::string& base_snapshot, const std::byte* base, const std::string& lately,
            Tally& tally);

 private:
  const Stage& stage_;
  const track::TrackedDisk disk_;
  AlignedBuffer now_;
};

}  // namespace blkrewind::tracking
