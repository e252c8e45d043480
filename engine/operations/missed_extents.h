// What is not as it should be after a rollback, for the error that says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "operations/rollback_steps.h"
#include "pipeline/scan_lane.h"

namespace blkrewind {

class MissedExtents {
 public:
  explicit MissedExtents(const format::Geometry& geometry) : geometry_(geometry) {}

  // Leaves in order.
  void add(const pipeline::ScanResult& leaf);
  // It was never looked at: the change source had missed it.
  [[nodiscard]] Error error(const Rollback& rollback, const std::string& source) const;
  // It was written, flushed, and reads back otherwise: the device lost it.
  [[nodiscard]] Error lost_error(const Rollback& rollback) const;

 private:
  void name_extents(Error& error) const;

  static constexpr std::size_t kNamedMax = 16;

  const format::Geometry geometry_;
  std::vector<Extent> named_;  // the first ones
  std::uint64_t extents_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_end_ = 0;
};

}  // namespace blkrewind
