// What a change source had missed, for the error that says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rollback_steps.h"
#include "track/scan_lane.h"

namespace blkrewind {

class MissedExtents {
 public:
  explicit MissedExtents(const format::Geometry& geometry) : geometry_(geometry) {}

  // Leaves in order.
  void add(const track::ScanResult& leaf);
  [[nodiscard]] Error error(const Rollback& rollback, const std::string& source) const;

 private:
  static constexpr std::size_t kNamedMax = 16;

  const format::Geometry geometry_;
  std::vector<Extent> named_;  // the first ones
  std::uint64_t extents_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_end_ = 0;
};

}  // namespace blkrewind
