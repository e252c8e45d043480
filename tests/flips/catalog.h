// What one flipped bit of a catalog does. SQLite keeps no checksum of its pages: in a catalog that
// was made before catalogs had a digest, a flip inside of a row is an answer like any other. That
// is counted, and must stay inside of the catalog.
#pragma once

#include <string>
#include <vector>

#include "flips/judge.h"
#include "support/temp_dir.h"

namespace blkrewind::flips {

// SQLite's files are real ones; memory is where a quarter of a million of them do no harm.
[[nodiscard]] std::string quick_folder();

// The catalog after a change that was taken back: what the program of today makes of it.
[[nodiscard]] std::vector<std::byte> changed_today(const std::vector<std::byte>& catalog);

class CatalogJudge {
 public:
  // `file`: kCatalogName or kCatalogOfTodayName. `folder`: for a folder of this object's own.
  CatalogJudge(const Golden& golden, const std::string& file, const std::string& folder);

  // Opens the catalog and the Engine over it, and compares the rows, and the list of snapshots.
  [[nodiscard]] Verdict judge(const Flip& flip) const;

 private:
  [[nodiscard]] Verdict judge_bytes(const std::vector<std::byte>& bytes) const;

  const Golden& golden_;
  test::TempDir directory_;
  std::string rows_;
  std::string snapshots_;
};

}  // namespace blkrewind::flips
