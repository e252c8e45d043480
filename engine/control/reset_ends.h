// Results of resets that could not be written to the catalog, because it was full or broken.
//
// Kept until they can be written, so that a failed reset is not started again, and no client is
// told that it is still waiting. They exist in this process only: after its end the journal knows
// which resets were done. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "control/catalog/catalog.h"

namespace blkrewind::control {

class ResetEnds {
 public:
  // Writes it to the catalog, or keeps it in memory if that is not possible.
  void note(Catalog& catalog, const std::string& disk_id, const std::string& request_id,
            const ResetEnd& end);
  // Writes those in memory to the catalog. Errors: as Catalog::end_reset; unwritten ones are kept.
  [[nodiscard]] Status note_again(Catalog& catalog);
  // The row as it would be if all results had been written.
  [[nodiscard]] ResetRow completed(ResetRow row) const;

 private:
  struct Ended {
    std::string request_id;
    ResetEnd end;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Ended> ends_;  // by disk: it has one reset at a time
};

}  // namespace blkrewind::control
