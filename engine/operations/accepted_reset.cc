#include "operations/accepted_reset.h"

#include <utility>

#include "operations/operations_parts.h"

namespace blkrewind {

ResetEnd end_of(const Error& error, std::int64_t at) {
  return {at, std::string(error.api ? to_string(*error.api) : to_string(error.code)),
          error.to_string() + (error.remedy.empty() ? "" : "; " + error.remedy.to_string())};
}

ResetEnd replaced_by_another(std::int64_t at) {
  return {at, std::string(to_string(ApiCode::kConflict)), "replaced by another operation"};
}

format::ResetRecord ended(format::ResetRecord reset, const ResetEnd& end) {
  reset.state = end.error_code.empty() ? ResetState::kDone : ResetState::kFailed;
  reset.finished_at = end.at;
  reset.error_code = end.error_code;
  reset.error_message = end.error_message;
  return reset;
}

const format::ResetRecord* accepted_reset(const store::State& state, format::DiskNumber disk) {
  const auto* reset = state.resets.get(disk);
  return reset != nullptr && reset->state == ResetState::kAccepted ? reset : nullptr;
}

Status Operations::accept_reset(const format::ResetRecord& reset) {
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(reset.disk));
  return history->log().update([&](const store::State& state) -> Result<format::Transaction> {
    if (state.disk(reset.disk) == nullptr) {
      return fail(Errc::kNotFound, "the disk was removed from the store");
    }
    return format::Transaction{reset};
  });
}

Status Operations::end_reset(format::DiskNumber disk, const std::string& request_id,
                             const ResetEnd& end) {
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(disk));
  return history->log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        const auto* reset = accepted_reset(state, disk);
        if (reset == nullptr || reset->request_id != request_id) return format::Transaction{};
        return format::Transaction{ended(*reset, end)};
      },
      store::Room::kFrees);
}

}  // namespace blkrewind
