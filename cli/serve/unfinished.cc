#include "cli/serve/unfinished.h"

#include <optional>
#include <utility>

#include "cli/serve/server_log.h"

namespace blkrewind::serve {

Status Unfinished::take_up_all() {
  BLKREWIND_ASSIGN(auto tasks, engine_.unfinished_rollbacks());
  for (RollbackTask& task : tasks) {
    auto place = jobs_.reserve();
    if (!place) {
      return fail(Errc::kBusy, "more resets are waiting than this server can run",
                  "start it with more --workers, or a larger --max-waiting");
    }
    take_up(std::move(*place), std::move(task));
  }
  return {};
}

void Unfinished::tend(std::int64_t now) {
  if (next_look_ && now < *next_look_) return;
  next_look_ = now + 1;
  if (!jobs_.reserve()) return;  // released at once
  auto tasks = engine_.unfinished_rollbacks();
  const std::string complaint = tasks ? std::string() : tasks.error().to_string();
  if (complaint != last_complaint_ && !complaint.empty()) {
    log_line(LogLevel::kError, "cannot list accepted resets: " + complaint);
  }
  last_complaint_ = complaint;
  if (!tasks) return;
  for (RollbackTask& task : *tasks) {
    auto place = jobs_.reserve();
    if (!place) return;  // the others are released, until the next time
    take_up(std::move(*place), std::move(task));
  }
}

void Unfinished::take_up(Jobs::Place place, RollbackTask task) {
  log_line(LogLevel::kWarning, "continuing an interrupted reset request_id=" + task.request_id() +
                                   " disk=" + task.disk_id());
  jobs_.add(std::move(place), std::move(task));
}

}  // namespace blkrewind::serve
