// A tracker that reads dirty bits in shared memory, independent of what sets them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "track/bitmap/generations.h"
#include "track/tracker.h"

namespace blkrewind::track {

class DirtyBitsTracker final : public Tracker {
 public:
  // `flush`: turns written data that is not yet submitted into operations, and so into dirty bits.
  // The memory outlives the tracker.
  DirtyBitsTracker(blkrewind_control& control, std::span<std::uint64_t> bits,
                   std::span<blkrewind_bucket> under_way, std::uint64_t device_bytes,
                   std::function<Status()> flush);
  ~DirtyBitsTracker() override;

  [[nodiscard]] const char* name() const override { return "bitmap"; }
  [[nodiscard]] Result<std::optional<std::string>> begin(const std::string& base_snapshot,
                                                         TrackUse use) override;
  [[nodiscard]] Result<Extent> changed(std::uint64_t offset) override;
  void wrote(std::uint64_t bytes) override { generations_.wrote(bytes); }
  [[nodiscard]] Status prepare(const std::string& id, Collected before) override;
  [[nodiscard]] Status commit() override;
  [[nodiscard]] Status abandon() override;
  [[nodiscard]] Status distrust(const std::string& why) override;

 private:
  Generations generations_;
  const std::uint32_t granule_shift_;
  const std::uint64_t device_bytes_;
  const std::function<Status()> flush_;
  bool begun_ = false;
};

}  // namespace blkrewind::track
