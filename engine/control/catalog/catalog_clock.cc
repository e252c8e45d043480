#include "control/catalog/catalog_clock.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/catalog/catalog.h"
#include "control/catalog/catalog_seals.h"

namespace blkrewind::control {
namespace {

// Counting writes and flushes, so not every minute.
constexpr std::int64_t kCountSeconds = 600;
// No machine is off for longer than a century; a larger number means a wrong clock.
constexpr std::int64_t kGapSecondsMax = 100LL * 366 * 86'400;

// `counted`: the value of the counter.
std::vector<std::string> over_after(SQLite::Database& database, std::int64_t counted) {
  const std::string passed = "(?1 - " + counted_from(database) + ")";
  SQLite::Statement query(database,
                          "SELECT snapshot_id FROM snapshot_notes WHERE retention_days > 0 AND "
                          "(counted_seconds + " +
                              passed + " + min(owed_seconds, " + passed +
                              ")) / 86400 >= retention_days ORDER BY rowid");
  query.bind(1, counted);
  std::vector<std::string> ids;
  while (query.executeStep()) ids.push_back(query.getColumn(0).getString());
  return ids;
}

// Before what is owed changes: records in the notes of `which` what was counted until `counted`.
void settle(SQLite::Database& database, std::int64_t counted, const std::string& which) {
  SQLite::Statement notes(database,
                          "UPDATE snapshot_notes SET "
                          "counted_seconds = counted_seconds + (?1 - counted_from) + "
                          "min(owed_seconds, ?1 - counted_from), "
                          "owed_seconds = owed_seconds - min(owed_seconds, ?1 - counted_from), "
                          "counted_from = ?1 WHERE retention_days > 0" +
                              which);
  notes.bind(1, counted);
  notes.exec();
}

bool has_retention(SQLite::Database& database) {
  SQLite::Statement query(database, "SELECT 1 FROM snapshot_notes WHERE retention_days > 0");
  return query.executeStep();
}

}  // namespace

bool knows_clock(SQLite::Database& database) { return database.tableExists("clock"); }

std::string counted_from(SQLite::Database& database) {
  return database.tableExists("seals") ? "counted_from" : "0";
}

TimeStep time_since_count(SQLite::Database& database, Seals& seals, const Moment& now) {
  seals.check("clock", "1");
  SQLite::Statement query(database, std::string("SELECT wall, boottime, boot_id, ") +
                                        (seals.loaded() ? "counted" : "0") + " FROM clock");
  if (!query.executeStep()) return {.first = true};
  const Moment then = {query.getColumn(0).getInt64(), query.getColumn(1).getInt64(),
                       query.getColumn(2).getString()};
  TimeStep step;
  step.counted = query.getColumn(3).getInt64();
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

std::int64_t count_time(SQLite::Database& database, Seals& seals, const Moment& now) {
  const TimeStep step = time_since_count(database, seals, now);
  const std::int64_t counted = step.counted + step.seconds;
  if (step.doubt) {
    // `seconds` have passed, but they pay nothing.
    settle(database, step.counted, " AND owed_seconds > 0");
    database.exec("UPDATE snapshot_notes SET owed_seconds = 0 WHERE owed_seconds > 0");
  } else if (step.gap > 0) {
    settle(database, counted, "");
    SQLite::Statement owe(database,
                          "UPDATE snapshot_notes SET owed_seconds = min(owed_seconds + ?1, ?2) "
                          "WHERE retention_days > 0");
    owe.bind(1, step.gap);
    owe.bind(2, kGapSecondsMax);
    owe.exec();
  }
  SQLite::Statement clock(database, "INSERT OR REPLACE INTO clock VALUES(1, ?, ?, ?, ?)");
  clock.bind(1, now.wall);
  clock.bind(2, now.boottime);
  clock.bind(3, now.boot_id);
  clock.bind(4, counted);
  clock.exec();
  return counted;
}

Result<std::vector<std::string>> Catalog::count_retention(const Moment& now) {
  std::vector<std::string> over;
  bool count = false;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!database.tableExists("snapshot_notes")) return;
    seals_->check_all_of("snapshot_notes");
    if (!has_retention(database)) return;
    if (!knows_clock(database)) {
      count = true;
      return;
    }
    const TimeStep step = time_since_count(database, *seals_, now);
    count = !step.is_plain() || step.seconds >= kCountSeconds;
    if (step.is_plain()) over = over_after(database, step.counted + step.seconds);
  }));
  if (!count) return over;
  const Status counted = change([&](SQLite::Database& database) -> Status {
    seals_->check_all_of("snapshot_notes");
    over = over_after(database, count_time(database, *seals_, now));
    return {};
  });
  // On a full file system the time is counted once there is space again.
  if (!counted) log::warning("retention is not counted now: " + counted.error().to_string());
  return over;
}

}  // namespace blkrewind::control
