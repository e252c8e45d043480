#include "operations/counted_time.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "format/log_codec.h"
#include "format/record_codec.h"

namespace blkrewind {
namespace {

using format::NoteRecord;
using format::TokenRecord;

constexpr std::int64_t kDaySeconds = 86'400;
// Counting writes and flushes, so not every minute.
constexpr std::int64_t kCountSeconds = 600;
// Of one record: far below the format's limit, so that the rest of it has room too.
constexpr std::uint64_t kRecordBytes = format::kMaxRecordPayloadBytes / 2;
// No machine is off for longer than a century; a larger number means a wrong clock.
constexpr std::int64_t kGapSecondsMax = 100LL * 366 * kDaySeconds;

struct TimeStep {
  std::int64_t seconds = 0;  // have certainly passed since the last count
  std::int64_t counted = 0;  // the counter, before `seconds` are added
  // The machine may have been off for this long. A gap lies between two counts, so a second has
  // passed as well: the counter goes on by it, and tells the notes that owe the gap (counted_from
  // is behind `counted`) from those that a former record of the same count has not reached.
  std::int64_t gap = 0;
  bool doubt = false;     // the wall clock was set: owed time is discarded
  bool rebooted = false;  // or it may have been
  bool first = false;     // there was no earlier count

  // All of the time that has passed is in `seconds`.
  [[nodiscard]] bool is_plain() const { return !doubt && !rebooted && !first; }
  [[nodiscard]] std::int64_t counted_now() const { return counted + seconds + (gap > 0 ? 1 : 0); }
};

TimeStep time_since_count(const store::State& state, format::DiskNumber disk, const Moment& now) {
  const auto* clock = state.clocks.get(disk);
  if (clock == nullptr) return {.first = true};
  const Moment& then = clock->moment;
  TimeStep step;
  step.counted = clock->counted;
  if (is_same_boot(then, now)) {
    step.seconds = certain_seconds(then, now);
    step.doubt = !known_seconds(then, now);
    return step;
  }
  // The uptime of this boot has certainly passed, but the end of the former boot is unknown: all of
  // it is owed.
  step.rebooted = true;
  std::int64_t gap = 0;
  step.doubt = __builtin_sub_overflow(now.wall, then.wall, &gap) || gap < 0;
  if (!step.doubt) step.gap = std::min(gap, kGapSecondsMax);
  return step;
}

bool is_counted(const NoteRecord& note, format::DiskNumber disk) {
  return note.disk == disk && note.retention_days > 0;
}

// None if a count that is not complete has put the note ahead of the counter.
std::int64_t counted_until(const NoteRecord& note, std::int64_t counted) {
  return std::max<std::int64_t>(counted - note.counted_from, 0);
}

std::int64_t owed_until(const NoteRecord& note, std::int64_t counted) {
  return std::min(note.owed_seconds, counted_until(note, counted));
}

bool is_over(const NoteRecord& note, std::int64_t counted) {
  return (note.counted_seconds + counted_until(note, counted) + owed_until(note, counted)) /
             kDaySeconds >=
         note.retention_days;
}

// Before what is owed changes: records what was counted until `counted`.
NoteRecord settled(NoteRecord note, std::int64_t counted) {
  const std::int64_t paid = owed_until(note, counted);
  note.counted_seconds += counted_until(note, counted) + paid;
  note.owed_seconds -= paid;
  note.counted_from = std::max(note.counted_from, counted);
  return note;
}

// Adds the time that has passed to the counter, and returns that. The clock comes last: until it is
// recorded, the notes before it can be put again.
std::int64_t count_time(const store::State& state, format::DiskNumber disk, const Moment& now,
                        format::Transaction& transaction) {
  const TimeStep step = time_since_count(state, disk, now);
  for (const auto& [number, note] : state.notes) {
    if (!is_counted(note, disk)) continue;
    if (step.doubt && note.owed_seconds > 0) {
      // `seconds` have passed, but they pay nothing.
      NoteRecord cleared = settled(note, step.counted);
      cleared.owed_seconds = 0;
      transaction.emplace_back(std::move(cleared));
    } else if (step.gap > 0 && note.counted_from <= step.counted) {
      NoteRecord owing = settled(note, step.counted);
      owing.counted_from = step.counted_now();
      owing.owed_seconds = std::min(owing.owed_seconds + step.gap, kGapSecondsMax);
      transaction.emplace_back(std::move(owing));
    }
  }
  transaction.emplace_back(format::ClockRecord{disk, now, step.counted_now()});
  return step.counted_now();
}

std::vector<format::SnapshotNumber> over_after(const store::State& state, format::DiskNumber disk,
                                               std::int64_t counted) {
  std::vector<format::SnapshotNumber> over;
  for (const auto& [number, note] : state.notes) {
    if (is_counted(note, disk) && is_over(note, counted)) over.push_back(number);
  }
  return over;
}

bool is_forgotten(const TokenRecord& token, std::int64_t counted) {
  return counted - token.counted_from > kTokenSeconds;
}

// The oldest tokens have counted the most.
void forget_tokens(const store::State& state, format::DiskNumber disk, std::int64_t counted,
                   format::Transaction& transaction) {
  std::vector<const TokenRecord*> known;
  for (const auto& [number, token] : state.tokens) {
    if (token.disk == disk) known.push_back(&token);
  }
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known.size() - i < kTokensMax && !is_forgotten(*known[i], counted)) break;
    transaction.emplace_back(format::TokenRemoved{known[i]->snapshot});
  }
}

// Leaves what goes into one record. Whether that is all.
bool leave_one_record(format::Transaction& entries) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (const auto* note = std::get_if<NoteRecord>(&entries[i])) bytes += encoded_bytes(*note);
    if (bytes <= kRecordBytes) continue;
    entries.resize(i);
    return false;
  }
  return true;
}

}  // namespace

TimeCount count_retention(const store::State& state, format::DiskNumber disk, const Moment& now) {
  TimeCount count;
  const TimeStep step = time_since_count(state, disk, now);
  if (step.is_plain() && step.seconds < kCountSeconds) {
    count.over = over_after(state, disk, step.counted_now());
    return count;
  }
  store::State after = state;
  const std::int64_t counted = count_time(state, disk, now, count.entries);
  after.apply(count.entries);
  count.over = over_after(after, disk, counted);
  count.complete = leave_one_record(count.entries);
  return count;
}

bool has_retention(const store::State& state) {
  return std::ranges::any_of(state.notes,
                             [](const auto& entry) { return entry.second.retention_days > 0; });
}

void add_notes(const store::State& state, NoteRecord note, TokenRecord token, const Moment& now,
               format::Transaction& transaction) {
  const bool has_note = note.retention_days > 0 || !note.tags.empty();
  if (!has_note && token.token.empty()) return;
  // First: the time that has passed until now counts only for the others.
  note.counted_from = count_time(state, note.disk, now, transaction);
  token.counted_from = note.counted_from;
  if (has_note) transaction.emplace_back(std::move(note));
  if (token.token.empty()) return;
  forget_tokens(state, token.disk, token.counted_from, transaction);
  transaction.emplace_back(std::move(token));
}

const TokenRecord* find_token(const store::State& state, format::DiskNumber disk,
                              const std::string& token, const Moment& now) {
  const std::int64_t counted = time_since_count(state, disk, now).counted_now();
  for (auto at = state.tokens.rbegin(); at != state.tokens.rend(); ++at) {
    const TokenRecord& known = at->second;
    if (known.disk == disk && known.token == token) {
      return is_forgotten(known, counted) ? nullptr : &known;
    }
  }
  return nullptr;
}

}  // namespace blkrewind
