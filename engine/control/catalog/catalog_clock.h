// How the catalog measures periods of days: the retention of snapshots, the lifetime of tokens.
//
// Time is counted, not subtracted. The table `clock` has the Moment of the last count and a
// counter; each count adds the time that has certainly passed since then (base/clock.h) to the
// counter. A wall clock that was wrong, or is corrected, therefore changes nothing. A row has the
// value of the counter up to which its own counted time is recorded, so a count writes one row.
//
// Across a reboot only the wall clock knows how long the machine was off, and it may be wrong. That
// time is owed: it is added at the pace at which time is counted, a second for a second, and is
// discarded if the wall clock turns out to have been set. Only these two, a reboot and a clock that
// was set, write every row that they affect. No retention therefore ends before half of it was
// counted, a clock that is ahead at boot ends none, and a reboot loses nothing.
//
// Each function is called inside a transaction, and throws SQLite::Exception.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

class Seals;

struct TimeStep {
  std::int64_t seconds = 0;  // have certainly passed since the last count
  std::int64_t counted = 0;  // the counter, before `seconds` are added
  std::int64_t gap = 0;      // the machine may have been off for this long
  bool doubt = false;        // the wall clock was set: owed time is discarded
  bool rebooted = false;     // or it may have been
  bool first = false;        // there was no earlier count

  // All of the time that has passed is in `seconds`.
  [[nodiscard]] bool is_plain() const { return !doubt && !rebooted && !first; }
};

// A catalog from before version 3 that has not been changed since measures nothing.
[[nodiscard]] bool knows_clock(SQLite::Database& database);

// The column of a note or token, as a term: 0 before version 4.
[[nodiscard]] std::string counted_from(SQLite::Database& database);

[[nodiscard]] TimeStep time_since_count(SQLite::Database& database, Seals& seals,
                                        const Moment& now);

// Adds the time that has passed to the counter, and returns that; requires version 4.
[[nodiscard]] std::int64_t count_time(SQLite::Database& database, Seals& seals, const Moment& now);

}  // namespace blkrewind::control
