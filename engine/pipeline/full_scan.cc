#include "pipeline/full_scan.h"

#include <algorithm>

namespace blkrewind::pipeline {

FullScan::FullScan(io::File& device, const format::Geometry& geometry)
    : device_(device), geometry_(geometry) {}

Result<std::optional<Candidate>> FullScan::next() {
  if (leaf_ >= geometry_.leaf_count()) return std::optional<Candidate>{};
  Candidate candidate{.leaf = leaf_++, .read = {}, .zero = {}};
  const Extent leaf = geometry_.leaf_extent(candidate.leaf);
  const std::uint64_t chunks = (leaf.length + geometry_.chunk_bytes - 1) / geometry_.chunk_bytes;
  for (std::uint64_t i = 0; i < chunks; ++i) candidate.zero.set(i);

  std::uint64_t at = leaf.offset;
  while (at < leaf.end()) {
    if (!known_ || data_.end() <= at) {
      BLKREWIND_ASSIGN(data_, device_.next_data(at));
      known_ = true;
      // A hole is not the end of the file: a truncated part does not read as zeroes.
      if (data_.empty() && data_.offset < geometry_.device_bytes) {
        return fail(io::ended_error(device_, data_.offset));
      }
      // No data up to the end of the file: a range that no leaf reaches.
      if (data_.empty()) data_ = {geometry_.device_bytes, kMaxDeviceBytes};
    }
    if (data_.offset >= leaf.end()) break;
    const std::uint64_t begin = std::max(data_.offset, leaf.offset);
    const std::uint64_t end = std::min(data_.end(), leaf.end());
    // A chunk that contains any data is read whole.
    for (std::uint64_t i = (begin - leaf.offset) / geometry_.chunk_bytes;
         i * geometry_.chunk_bytes < end - leaf.offset; ++i) {
      candidate.read.set(i);
      candidate.zero.reset(i);
    }
    at = end;
  }
  return std::optional<Candidate>(candidate);
}

}  // namespace blkrewind::pipeline
