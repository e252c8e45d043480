// How resets ended that the catalog could not be told of, because it was full or broken just then.
//
// Kept until it takes them, so that a reset that has failed is not begun anew, and nobody is told
// that it still waits. They live in this process only: after its end the journal knows which were
// done. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "control/catalog/catalog.h"

namespace blkrewind::control {

class ResetEnds {
 public:
  // Into the catalog, or into memory when that cannot be written.
  void note(Catalog& catalog, const std::string& disk_id, const std::string& request_id,
            const ResetEnd& end);
  // What is in memory, into the catalog. Errors: as Catalog::end_reset; what is left stays.
  [[nodiscard]] Status note_again(Catalog& catalog);
  // The row as it would be if all had been noted.
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
