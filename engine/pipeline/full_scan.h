// The source of candidates that knows nothing: every chunk may differ. Holes of a sparse file are
// known to be zero and are not read.
#pragma once

#include <cstdint>

#include "io/env.h"
#include "pipeline/candidate_source.h"

namespace blkrewind::pipeline {

class FullScan final : public CandidateSource {
 public:
  FullScan(io::File& device, const format::Geometry& geometry);

  [[nodiscard]] Result<std::optional<Candidate>> next() override;
  [[nodiscard]] const char* name() const override { return "scan"; }
  [[nodiscard]] Result<std::uint64_t> work_bytes() override { return geometry_.device_bytes; }

 private:
  io::File& device_;
  const format::Geometry geometry_;
  std::uint64_t leaf_ = 0;
  Extent data_;  // the data range that ends after the current offset, if `known_`
  bool known_ = false;
};

}  // namespace blkrewind::pipeline
