// Snapshots in two steps, for servers: announced now, taken later; with tags, retention and tokens.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "control/caught.h"
#include "control/engine_impl.h"
#include "control/rules/facts.h"

namespace blkrewind {

struct SnapshotTask::Impl {
  std::string snapshot_id;
  std::string disk_id;
  control::AtWork* at_work = nullptr;
  std::optional<AnnouncedSnapshot> announced;  // nullopt: repeated, or it has run
  bool repeated = false;
};

SnapshotTask::SnapshotTask(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SnapshotTask::SnapshotTask(SnapshotTask&&) noexcept = default;
SnapshotTask& SnapshotTask::operator=(SnapshotTask&&) noexcept = default;
SnapshotTask::~SnapshotTask() = default;

const std::string& SnapshotTask::snapshot_id() const { return impl_->snapshot_id; }
const std::string& SnapshotTask::disk_id() const { return impl_->disk_id; }
bool SnapshotTask::is_repeated() const { return impl_->repeated; }

Result<SnapshotReceipt> SnapshotTask::run(const Monitor& monitor) try {
  if (!impl_ || !impl_->announced) {
    return fail(Errc::kInvalidArgument,
                "this task was moved from, has already run, or is a repeated request");
  }
  const control::AtWork::Mark mark(*impl_->at_work, impl_->snapshot_id);
  const auto announced = std::exchange(impl_->announced, std::nullopt);  // gone before the mark
  return announced->make(monitor);
} catch (...) {
  return fail(caught());
}

namespace {

// The limits of the API.
constexpr std::size_t kTagsMax = 20;
constexpr std::size_t kTagBytesMax = 128;
constexpr std::size_t kTokenBytesMax = 64;
constexpr std::uint32_t kRetentionDaysMax = 65536;

Error refused_with(ApiCode api, std::string message, Remedy remedy) {
  Error error;
  error.code = Errc::kPrecondition;
  error.api = api;
  error.message = std::move(message);
  error.remedy = std::move(remedy);
  return error;
}

Status check_notes(const SnapshotNotes& notes) {
  if (notes.tags.size() > kTagsMax) {
    return fail(Errc::kInvalidArgument, "a snapshot has at most 20 tags");
  }
  std::vector<std::string> keys;
  for (const Tag& tag : notes.tags) {
    const bool possible = !tag.key.empty() && is_printable_text(tag.key, kTagBytesMax) &&
                          (tag.value.empty() || is_printable_text(tag.value, kTagBytesMax));
    if (!possible) {
      return fail(Errc::kInvalidArgument, "invalid tag \"" + tag.key + "\"",
                  "use at most 128 bytes of printable text for a key and for a value");
    }
    keys.push_back(tag.key);
  }
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
    return fail(Errc::kInvalidArgument, "two tags have the same key");
  }
  if (notes.retention_days > kRetentionDaysMax) {
    return fail(Errc::kInvalidArgument, "a snapshot is kept for at most 65536 days",
                "leave the retention out to keep it until it is deleted");
  }
  const bool plain = std::all_of(notes.client_token.begin(), notes.client_token.end(),
                                 [](char c) { return c > ' ' && c <= '~'; });
  if (!plain || notes.client_token.size() > kTokenBytesMax) {
    return fail(Errc::kInvalidArgument, "invalid client token", "use at most 64 ASCII characters");
  }
  return {};
}

// All parameters of the request, each value preceded by its length.
std::string fingerprint(const std::string& disk_id, const SnapshotOptions& options,
                        const SnapshotNotes& notes) {
  std::string text;
  const auto add = [&](const std::string& value) {
    text += std::to_string(value.size()) + " " + value + "\n";
  };
  add(disk_id);
  add(options.name);
  add(options.description);
  add(std::to_string(notes.retention_days));
  for (const Tag& tag : notes.tags) {
    add(tag.key);
    add(tag.value);
  }
  return text;
}

bool is_being_taken(const DiskView& view) {
  return std::any_of(view.snapshots.begin(), view.snapshots.end(), [&](const auto& snapshot) {
    return control::status_now(snapshot, view.locked) == SnapshotStatus::kProgressing;
  });
}

}  // namespace

Result<std::optional<std::string>> Engine::Impl::snapshot_of_token(format::DiskNumber disk,
                                                                   const NewNotes& notes) {
  if (notes.token.empty()) return std::nullopt;
  BLKREWIND_ASSIGN(const auto used,
                   operations_->used_token(disk, notes.token, notes.parameters, notes.now));
  if (!used) return std::nullopt;
  if (!used->same_parameters) {
    return fail(refused_with(ApiCode::kTokenMismatch,
                             "The request uses the same client token as a previous, but "
                             "non-identical request. Do not reuse a client token with different "
                             "requests, unless the requests are identical.",
                             "use a new token for a new snapshot"));
  }
  return std::optional<std::string>(used->snapshot_id);
}

Result<SnapshotTask> Engine::accept_snapshot(const std::string& target,
                                             const SnapshotOptions& options,
                                             const SnapshotNotes& notes) try {
  BLKREWIND_TRY(check_notes(notes));
  BLKREWIND_TRY(Impl::check_new_snapshot({}, target, options.name, options.description));
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  auto task = std::make_unique<SnapshotTask::Impl>();
  task->disk_id = found.view.disk.id;
  task->at_work = &impl().at_work_;
  const format::DiskNumber number = found.view.disk.number;
  const NewNotes given = {notes.retention_days, notes.tags, notes.client_token,
                          fingerprint(task->disk_id, options, notes), impl().moment()};
  BLKREWIND_ASSIGN(const auto before, impl().snapshot_of_token(number, given));
  if (before) {
    task->snapshot_id = *before;
    task->repeated = true;
    return SnapshotTask(std::move(task));
  }
  if (is_being_taken(found.view)) {
    Error error =
        refused_with(ApiCode::kCreatingSnapshot, "A previous snapshot creation is in process.",
                     "wait until it has ended");
    error.code = Errc::kBusy;
    return fail(std::move(error));
  }
  BLKREWIND_TRY(Impl::check_new_snapshot(found, target, options.name, options.description));
  const control::DeviceNow device =
      control::observe_device(*impl().env_, found.view.disk, found.path);
  if (options.online.in_use == InUse::kOffline && !device.used_by.empty() && !found.view.locked) {
    const host::UsedBy& use = device.used_by.front();
    return fail(control::refused(control::ResetRule::kInstanceStatus,
                                 Remedy(use.remedy).because(found.path + ": " + use.what)));
  }
  auto announced = impl().operations_->announce_snapshot(number, found.path, options, given);
  if (!announced && announced.error().code == Errc::kBusy) {
    return fail(control::conflict(found.path));
  }
  if (!announced) return fail(std::move(announced).error());
  if (!announced->make) {
    BLKREWIND_ASSIGN(const auto meanwhile, impl().snapshot_of_token(number, given));
    if (!meanwhile) return fail(control::conflict(found.path));  // and it was deleted
    task->snapshot_id = *meanwhile;
    task->repeated = true;
    return SnapshotTask(std::move(task));
  }
  task->snapshot_id = announced->id;
  task->announced = std::move(*announced);
  return SnapshotTask(std::move(task));
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
