// How the catalog measures what lasts for days: the retention of snapshots, the life of tokens.
//
// Time is counted, not subtracted. The table `clock` has the Moment of the last count; each count
// adds what has certainly passed since (base/clock.h) to every row. A wall clock that was wrong, or
// is set right, thereby moves nothing.
//
// Across a reboot the wall clock alone knows how long the machine was off, and it may be wrong.
// That gap is owed: it is made up for at the pace at which time is counted, a second for a second,
// and is forgotten when the wall clock turns out to have been set. So no retention ends before half
// of it was counted, nothing ends because of a clock that is ahead at the start, and a reboot costs
// nothing.
//
// Each is called inside a transaction, and throws SQLite::Exception.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace SQLite {
class Database;
}

namespace blkrewind::control {

struct TimeStep {
  std::int64_t seconds = 0;  // have certainly passed since the last count
  std::int64_t gap = 0;      // the machine may have been off for so long
  bool doubt = false;        // the wall clock was set: what is owed counts no more
  bool rebooted = false;     // or it is not known that it was not
  bool first = false;        // there was no count before

  // All that has passed is in `seconds`.
  [[nodiscard]] bool is_plain() const { return !doubt && !rebooted && !first; }
};

// A catalog of before version 3, which nothing has changed since, measures nothing.
[[nodiscard]] bool knows_clock(SQLite::Database& database);

[[nodiscard]] TimeStep time_since_count(SQLite::Database& database, const Moment& now);

// Adds what has passed, to all rows; needs version 3.
void count_time(SQLite::Database& database, const Moment& now);

}  // namespace blkrewind::control
