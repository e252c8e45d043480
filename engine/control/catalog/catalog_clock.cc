#include "control/catalog/catalog_clock.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/catalog/catalog.h"

namespace blkrewind::control {
namespace {

// Counting writes and flushes, so not every minute.
constexpr std::int64_t kCountSeconds = 600;
// No machine is off for longer than a century; a larger number means a wrong clock.
constexpr std::int64_t kGapSecondsMax = 100LL * 366 * 86'400;

std::vector<std::string> over_after(SQLite::Database& database, std::int64_t seconds) {
  SQLite::Statement query(database,
                          "SELECT snapshot_id FROM snapshot_notes WHERE retention_days > 0 AND "
                          "(counted_seconds + ?1 + min(owed_seconds, ?1)) / 86400 >= "
                          "retention_days ORDER BY rowid");
  query.bind(1, seconds);
  std::vector<std::string> ids;
  while (query.executeStep()) ids.push_back(query.getColumn(0).getString());
  return ids;
}

bool has_retention(SQLite::Database& database) {
  SQLite::Statement query(database, "SELECT 1 FROM snapshot_notes WHERE retention_days > 0");
  return query.executeStep();
}

}  // namespace

bool knows_clock(SQLite::Database& database) { return database.tableExists("clock"); }

TimeStep time_since_count(SQLite::Database& database, const Moment& now) {
  SQLite::Statement query(database, "SELECT wall, boottime, boot_id FROM clock");
  if (!query.executeStep()) return {.first = true};
  const Moment then = {query.getColumn(0).getInt64(), query.getColumn(1).getInt64(),
                       query.getColumn(2).getString()};
  TimeStep step;
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

void count_time(SQLite::Database& database, const Moment& now) {
  const TimeStep step = time_since_count(database, now);
  SQLite::Statement notes(database,
                          "UPDATE snapshot_notes SET "
                          "counted_seconds = counted_seconds + ?1 + min(owed_seconds, ?2), "
                          "owed_seconds = CASE WHEN ?3 THEN 0 ELSE "
                          "min(owed_seconds - min(owed_seconds, ?2) + ?4, ?5) END "
                          "WHERE retention_days > 0");
  notes.bind(1, step.seconds);
  notes.bind(2, step.doubt ? std::int64_t{0} : step.seconds);
  notes.bind(3, step.doubt ? 1 : 0);
  notes.bind(4, step.gap);
  notes.bind(5, kGapSecondsMax);
  notes.exec();
  SQLite::Statement tokens(database,
                           "UPDATE client_tokens SET counted_seconds = counted_seconds + ?");
  tokens.bind(1, step.seconds);
  tokens.exec();
  SQLite::Statement clock(database, "INSERT OR REPLACE INTO clock VALUES(1, ?, ?, ?)");
  clock.bind(1, now.wall);
  clock.bind(2, now.boottime);
  clock.bind(3, now.boot_id);
  clock.exec();
}

Result<std::vector<std::string>> Catalog::count_retention(const Moment& now) {
  std::vector<std::string> over;
  bool count = false;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    if (!database.tableExists("snapshot_notes") || !has_retention(database)) return;
    if (!knows_clock(database)) {
      count = true;
      return;
    }
    const TimeStep step = time_since_count(database, now);
    count = !step.is_plain() || step.seconds >= kCountSeconds;
    if (step.is_plain()) over = over_after(database, step.seconds);
  }));
  if (!count) return over;
  const Status counted = change([&](SQLite::Database& database) -> Status {
    count_time(database, now);
    over = over_after(database, 0);
    return {};
  });
  // On a full file system the time is counted once there is space again.
  if (!counted) log::warning("retention is not counted now: " + counted.error().to_string());
  return over;
}

}  // namespace blkrewind::control
