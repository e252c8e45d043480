#include "cli/serve/retention.h"

#include "cli/serve/server_log.h"

namespace blkrewind::serve {
namespace {

constexpr std::int64_t kLookSeconds = 60;

}  // namespace

void Retention::tend(std::int64_t now) {
  if (next_look_ && now < *next_look_) return;
  next_look_ = now + kLookSeconds;
  const auto over = engine_.snapshots_past_retention();
  if (!over) return;
  for (const std::string& id : *over) {
    if (const auto removed = engine_.remove_snapshot(id)) {
      log_line(LogLevel::kInfo, "retention has ended snapshot=" + id);
    } else {
      log_line(LogLevel::kWarning,
               "cannot delete snapshot=" + id +
                   ", whose retention has ended: " + removed.error().to_string());
    }
  }
}

}  // namespace blkrewind::serve
