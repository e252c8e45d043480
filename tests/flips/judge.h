// The effect of one flipped bit on a reader of the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flips/golden.h"
#include "format/records.h"
#include "operations/operations.h"

namespace blkrewind::flips {

struct Flip {
  std::size_t file = 0;  // of Golden::files
  std::uint64_t byte = 0;
  unsigned bit = 0;
};

enum class Outcome : std::uint8_t {
  kRefused,      // the store, or the catalog, does not open: kIntegrity
  kFound,        // verify names the affected snapshots, and reading them fails
  kHarmless,     // everything reads exactly as before
  kOtherAnswer,  // only for a catalog: a different answer about instances and disks
  kHarmful,      // anything else
};

// Whether this is the expected result there: damage is detected, and nothing else is reported as
// damage.
[[nodiscard]] bool is_right(Region region, Outcome outcome);

struct Verdict {
  Outcome outcome = Outcome::kHarmful;
  std::string why;
};

// Records the expected content; throws std::runtime_error if the golden store does not match its
// `expected` file.
class Judge {
 public:
  explicit Judge(const Golden& golden);

  // For a bit of the store: opens it, compares everything in the journal, verifies every snapshot,
  // and exports and compares every snapshot. No state is kept between flips, so nothing is assumed
  // about the influence of a bit.
  [[nodiscard]] Verdict judge(const Flip& flip) const;

 private:
  struct Image {
    SnapshotKey number;
    std::string id;
    sim::SparseBytes bytes;
  };

  [[nodiscard]] Verdict judge_files(const sim::MemoryFiles& files) const;

  const Golden& golden_;
  format::Transaction state_;
  std::vector<SnapshotKey> numbers_;
  std::vector<Image> images_;
};

}  // namespace blkrewind::flips
