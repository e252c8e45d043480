// Which chunks of a device a scan found to differ: in memory, and so nothing that needs room in the
// store. At most 4 MiB: of a device with more than 33 million chunks a bit stands for several, and
// the neighbours of what differs count as well.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/geometry.h"
#include "pipeline/change_source.h"
#include "pipeline/scan_lane.h"

namespace blkrewind::pipeline {

class DifferingChunks {
 public:
  explicit DifferingChunks(const format::Geometry& geometry);

  void clear();
  // The chunks of a leaf that are not as its first reference says.
  void add(const pipeline::ScanResult& leaf);

  // Goes through what was added, in order. Its name is of no meaning. `chunks` outlives it.
  class Source final : public pipeline::ChangeSource {
   public:
    explicit Source(const DifferingChunks& chunks) : chunks_(&chunks) {}
    [[nodiscard]] Result<std::optional<pipeline::Candidate>> next() override;
    [[nodiscard]] const char* name() const override { return "scan"; }

   private:
    const DifferingChunks* chunks_;
    std::uint64_t leaf_ = 0;  // the next one to look at
  };

 private:
  // The first chunk from `chunk` on that is in the set; the number of all chunks when none is.
  [[nodiscard]] std::uint64_t first_from(std::uint64_t chunk) const;
  [[nodiscard]] bool test(std::uint64_t chunk) const;

  std::uint64_t chunk_count_;
  unsigned shift_ = 0;  // a bit stands for 2^shift_ chunks
  std::vector<std::uint64_t> words_;
};

}  // namespace blkrewind::pipeline
