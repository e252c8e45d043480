#include "control/reset_ends.h"

#include <utility>

#include "base/log.h"

namespace blkrewind::control {

void ResetEnds::note(Catalog& catalog, const std::string& disk_id, const std::string& request_id,
                     const ResetEnd& end) {
  const Status noted = catalog.end_reset(disk_id, request_id, end);
  const std::lock_guard<std::mutex> guard(mutex_);
  if (noted) {
    ends_.erase(disk_id);
    return;
  }
  ends_[disk_id] = {request_id, end};
  log::error("cannot record how the reset " + request_id +
             " ended, will retry: " + noted.error().to_string());
}

Status ResetEnds::note_again(Catalog& catalog) {
  const std::lock_guard<std::mutex> guard(mutex_);
  while (!ends_.empty()) {
    const auto& [disk_id, ended] = *ends_.begin();
    BLKREWIND_TRY(catalog.end_reset(disk_id, ended.request_id, ended.end));
    ends_.erase(ends_.begin());
  }
  return {};
}

ResetRow ResetEnds::completed(ResetRow row) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = ends_.find(row.disk_id);
  if (found == ends_.end() || found->second.request_id != row.request_id) return row;
  const ResetEnd& end = found->second.end;
  row.state = end.error_code.empty() ? ResetState::kDone : ResetState::kFailed;
  row.finished_at = end.at;
  row.error_code = end.error_code;
  row.error_message = end.error_message;
  return row;
}

}  // namespace blkrewind::control
