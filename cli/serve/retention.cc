#include "cli/serve/retention.h"

#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr std::int64_t kLookSeconds = 60;
constexpr std::int64_t kDaySeconds = 86'400;

bool is_over(const SnapshotInfo& snapshot, std::int64_t now) {
  return snapshot.retention_days != 0 && snapshot.status != SnapshotStatus::kProgressing &&
         snapshot.created_at + kDaySeconds * snapshot.retention_days <= now;
}

}  // namespace

void Retention::tend(std::int64_t now) {
  if (now < next_look_) return;
  next_look_ = now + kLookSeconds;
  const auto snapshots = engine_.snapshots();
  if (!snapshots) return;
  for (const SnapshotInfo& snapshot : *snapshots) {
    if (!is_over(snapshot, now)) continue;
    if (const auto removed = engine_.remove_snapshot(snapshot.id)) {
      log_line(LogLevel::kInfo, "retention is over snapshot=" + snapshot.id);
    } else {
      log_line(LogLevel::kWarning, "cannot delete snapshot=" + snapshot.id +
                                       ", whose retention is over: " + removed.error().to_string());
    }
  }
}

}  // namespace blkrewind::serve
