// How the catalog measures periods of days: the retention of snapshots, the lifetime of tokens.
//
// Time is counted, not subtracted. The table `clock` has the Moment of the last count; each count
// adds the time that has certainly passed since then (base/clock.h) to every row. A wall clock that
// was wrong, or is corrected, therefore changes nothing.
//
// Across a reboot only the wall clock knows how long the machine was off, and it may be wrong. That
// time is owed: it is added at the pace at which time is counted, a second for a second, and is
// discarded if the wall clock turns out to have been set. No retention therefore ends before half
// of it was counted, a clock that is ahead at boot ends none, and a reboot loses nothing.
//
// Each function is called inside a transaction, and throws SQLite::Exception.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

struct TimeStep {
  std::int64_t seconds = 0;  // have certainly passed since the last count
  std::int64_t gap = 0;      // the machine may have been off for this long
  bool doubt = false;        // the wall clock was set: owed time is discarded
  bool rebooted = false;     // or it may have been
  bool first = false;        // there was no earlier count

  // All of the time that has passed is in `seconds`.
  [[nodiscard]] bool is_plain() const { return !doubt && !rebooted && !first; }
};

// A catalog from before version 3 that has not been changed since measures nothing.
[[nodiscard]] bool knows_clock(SQLite::Database& database);

[[nodiscard]] TimeStep time_since_count(SQLite::Database& database, const Moment& now);

// Adds the time that has passed to all rows; requires version 3.
void count_time(SQLite::Database& database, const Moment& now);

}  // namespace blkrewind::control
