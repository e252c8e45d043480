// How periods of days are measured: the retention of snapshots, the lifetime of client tokens.
//
// Time is counted, not subtracted. Each disk has a clock in the log: the Moment of the last
// count and a counter; a count adds the time that has certainly passed since then (base/clock.h) to
// the counter. A wall clock that was wrong, or is corrected, therefore changes nothing. A note has
// the value of the counter up to which its own counted time is recorded, so a count puts one entry.
//
// Across a reboot only the wall clock knows how long the machine was off, and it may be wrong. That
// time is owed: it is added at the pace at which time is counted, a second for a second, and is
// discarded if the wall clock turns out to have been set. Only these two, a reboot and a clock that
// was set, put every note that they affect, in several records where one would be too long, and the
// clock in the last one: a count that was interrupted goes on with the notes that are left. (If a
// reboot interrupts it, those that it had reached do not owe what that one takes.) No retention
// therefore ends before half of it was counted, a clock that is ahead at boot ends none, and a
// reboot loses nothing.
//
// Pure: values of a State, and entries for its next transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "format/records.h"
#include "store/state.h"

namespace blkrewind {

inline constexpr std::int64_t kTokenSeconds = 24 * 3600;  // how long a token is remembered
inline constexpr std::size_t kTokensMax = 100'000;        // of a disk; then the oldest are dropped

// A count of one disk's time. Empty: counting is not worth a record yet.
struct TimeCount {
  format::Transaction entries;
  bool complete = true;  // false: to be called again once the entries are recorded
  std::vector<format::SnapshotNumber> over;  // whose retention has ended, oldest first
};
[[nodiscard]] TimeCount count_retention(const store::State& state, format::DiskNumber disk,
                                        const Moment& now);
// Whether a snapshot has one.
[[nodiscard]] bool has_retention(const store::State& state);

// What the record that announces a snapshot adds: the time that has passed for the others, then the
// note and the token from `now` on, each unless it holds nothing. The token replaces those that are
// forgotten. The caller sets everything but the counter, and has recorded what count_retention()
// does not complete.
void add_notes(const store::State& state, format::NoteRecord note, format::TokenRecord token,
               const Moment& now, format::Transaction& transaction);

// The snapshot that the token was used for last, if it is remembered; or null.
[[nodiscard]] const format::TokenRecord* find_token(const store::State& state,
                                                    format::DiskNumber disk,
                                                    const std::string& token, const Moment& now);

}  // namespace blkrewind
