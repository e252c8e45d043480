// The effect of one flipped bit in a catalog. SQLite keeps no checksum of its pages: in a catalog
// from before the digest, a flip inside a row is just another answer. Such flips are counted, and
// must not affect anything outside the catalog.
#pragma once

#include <string>
#include <vector>

#include "flips/judge.h"
#include "support/temp_dir.h"

namespace blkrewind::flips {

// SQLite needs real files; a quarter of a million of them do no harm in memory.
[[nodiscard]] std::string quick_folder();

// The catalog after a change and its reversal: as written by the current version.
[[nodiscard]] std::vector<std::byte> changed_today(const std::vector<std::byte>& catalog);

class CatalogJudge {
 public:
  // `file`: kCatalogName or kCatalogOfTodayName. `folder`: parent of a directory of this object.
  CatalogJudge(const Golden& golden, const std::string& file, const std::string& folder);

  // Opens the catalog and the Engine on it, and compares the rows and the list of snapshots.
  [[nodiscard]] Verdict judge(const Flip& flip) const;

 private:
  [[nodiscard]] Verdict judge_bytes(const std::vector<std::byte>& bytes) const;

  const Golden& golden_;
  test::TempDir directory_;
  std::string rows_;
  std::string snapshots_;
};

}  // namespace blkrewind::flips
