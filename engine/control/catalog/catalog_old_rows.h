// What catalogs of versions 2 to 4 hold of accepted rollbacks, notes and client tokens, which are
// entries of the journal now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "format/records.h"

namespace blkrewind::control {

// As records of the journal, except that the numbers of disks and snapshots are 0: the rows name
// them by their ids.
struct OldReset {
  std::string disk_id;
  // The request id of the disk's last rollback when this one was accepted; "-": not recorded. While
  // the journal says that the last rollback is still that one, an accepted reset has not ended.
  std::string last_before;
  format::ResetRecord record;
};
struct OldNote {
  std::string snapshot_id;
  format::NoteRecord record;
};
struct OldToken {
  std::string snapshot_id;
  std::string parameters;      // the record has their digest, which is under the store's secret
  format::TokenRecord record;  // without it
};

struct OldRows {
  std::vector<OldReset> resets;
  std::vector<OldNote> notes;
  std::vector<OldToken> tokens;  // oldest first
  // The one clock that all of them were counted by. nullopt: nothing was counted yet.
  std::optional<format::ClockRecord> clock;

  [[nodiscard]] bool empty() const { return resets.empty() && notes.empty() && tokens.empty(); }
};

}  // namespace blkrewind::control
