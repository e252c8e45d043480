// What one flipped bit does to a reader of the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flips/golden.h"
#include "format/records.h"

namespace blkrewind::flips {

struct Flip {
  std::size_t file = 0;  // of Golden::files
  std::uint64_t byte = 0;
  unsigned bit = 0;
};

enum class Outcome : std::uint8_t {
  kRefused,      // the store, or the catalog, does not open: kIntegrity
  kFound,        // verify names the snapshots that cannot be read, and reading them fails
  kHarmless,     // everything reads exactly as before
  kOtherAnswer,  // only of a catalog: it says something else about instances and disks
  kHarmful,      // anything else
};

// Whether it is what has to come out there: damage is detected, and what is no damage is not called
// so.
[[nodiscard]] bool is_right(Region region, Outcome outcome);

struct Verdict {
  Outcome outcome = Outcome::kHarmful;
  std::string why;
};

// Knows what everything reads as; throws std::runtime_error when the golden store itself does not
// hold what its `expected` file says.
class Judge {
 public:
  explicit Judge(const Golden& golden);

  // Of the store: opens it, compares all that the journal says, verifies every snapshot, and
  // exports every snapshot and compares it. With nothing kept from one flip to the next, so that no
  // assumption is made of what a bit can influence.
  [[nodiscard]] Verdict judge(const Flip& flip) const;

 private:
  struct Image {
    format::SnapshotNumber number = 0;
    std::string id;
    sim::SparseBytes bytes;
  };

  [[nodiscard]] Verdict judge_files(const sim::MemoryFiles& files) const;

  const Golden& golden_;
  format::Transaction state_;
  std::vector<format::SnapshotNumber> numbers_;
  std::vector<Image> images_;
};

}  // namespace blkrewind::flips
