// Disks: lookup, registration, description, attachment.
#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/remedies.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"
#include "operations/open_device.h"

namespace blkrewind {

using control::refused;
using control::refused_as;
using control::ResetRule;

namespace {

// Out of a rollback that has not finished.
Remedy way_out(const DiskView& view, const std::string& target) {
  if (view.locked) return Remedy("wait until it has ended").because("a rollback of it is running");
  return ways_out(target, view.intent->undo != 0);
}

Remedy not_registered(const std::string& target, const std::string& seen_last) {
  const std::string fact = target + " is not registered";
  if (!seen_last.empty()) return Remedy().because(fact + "; " + seen_last);
  return look_into_list("see the disks that are").because(fact);
}

Remedy forget_all(std::string text, const std::string& target) {
  return {Verb::kDiskForget,
          std::move(text),
          {{Parameter::kTarget, target}, {Parameter::kWithSnapshots, {}}}};
}

Error busy(const DiskView& view) {
  Error error;
  error.code = Errc::kBusy;
  error.message = "another operation works on " + view.disk.id + " right now";
  error.remedy = "try again when it has ended";
  return error;
}

}  // namespace

Result<std::optional<Engine::Impl::Found>> Engine::Impl::find(const std::string& target) {
  BLKREWIND_TRY(operations_->refresh());
  if (target.empty()) return std::nullopt;
  auto view = operations_->find_disk(target);
  if (!view && view.error().code == Errc::kNotFound) return std::nullopt;
  if (!view) return fail(std::move(view).error());
  if (!*view) return std::nullopt;
  const bool by_id = (*view)->disk.id == target;
  // Given its id, a disk is searched first where it was seen last, and then everywhere.
  std::string path = by_id ? operations_->find_device((*view)->disk).path : target;
  return Found{std::move(**view), std::move(path)};
}

Result<Engine::Impl::Found> Engine::Impl::need(const std::string& target, Errc code) {
  if (target.empty()) {
    return fail(refused_as(Errc::kInvalidArgument, ResetRule::kMissingDiskId,
                           "name a block device, an image file or a disk id"));
  }
  BLKREWIND_ASSIGN(auto found, find(target));
  if (!found) {
    const std::string other = operations_->seen_last_at(target);
    return fail(refused_as(code, ResetRule::kDiskNotFound, not_registered(target, other)));
  }
  return std::move(*found);
}

Result<Engine::Impl::Registered> Engine::Impl::find_or_register(const std::string& target,
                                                                std::uint32_t chunk_bytes,
                                                                bool chunk_bytes_given, bool raw,
                                                                bool as_new) {
  if (!is_valid_chunk_bytes(chunk_bytes)) {
    return fail(Errc::kInvalidArgument,
                "invalid chunk size: " + std::to_string(chunk_bytes) + " bytes",
                "use a power of two from 4 KiB to 1 MiB");
  }
  if (target.empty()) return fail(need(target).error());
  std::optional<Found> found;
  if (as_new) {
    BLKREWIND_TRY(operations_->refresh());
  } else {
    BLKREWIND_ASSIGN(found, find(target));
  }
  if (found) {
    if (chunk_bytes_given && found->view.disk.chunk_bytes != chunk_bytes) {
      return fail(Errc::kInvalidArgument,
                  found->path + " was registered with chunks of " +
                      format_bytes(found->view.disk.chunk_bytes),
                  Remedy("leave the chunk size out")
                      .or_else(forget_all("forget the disk and register it again", target)));
    }
    return Registered{std::move(*found), false};
  }
  if (is_valid_id("d-", target)) return fail(need(target).error());
  BLKREWIND_ASSIGN(DiskView view, operations_->register_disk(target, chunk_bytes, raw, as_new));
  return Registered{Found{std::move(view), target}, true};
}

// A failed first snapshot leaves no disk behind. Best effort: a disk without snapshots does no
// harm, and another process may have started to use it.
void Engine::Impl::forget_if_empty(const Registered& registered) {
  if (!registered.now) return;
  const format::DiskNumber number = registered.found.view.disk.number;
  if (!operations_->refresh()) return;
  const auto read = operations_->disk(number);
  if (!read || !*read) return;
  const DiskView& view = **read;
  if (view.locked || view.intent || !view.snapshots.empty()) return;
  if (Status forgotten = operations_->forget_disk(number); !forgotten) {
    log::warning("the disk " + view.disk.id +
                 " stays registered: " + forgotten.error().to_string());
  }
}

Result<DiskInfo> Engine::Impl::describe(DiskView view) {
  BLKREWIND_ASSIGN(const auto attachment, catalog_->attachment(view.disk.id));
  if (view.reset && view.locked && at_work_.has(view.disk.id)) {
    view.reset->state = ResetState::kAccepted;
    view.reset->finished_at = 0;
    view.reset->error_code.clear();
    view.reset->error_message.clear();
  }
  DiskInfo info = control::describe_disk(view, attachment);
  Presence presence = operations_->find_device(view.disk);
  info.attached = presence.attached;
  info.path = std::move(presence.path);
  return info;
}

Result<std::vector<DiskInfo>> Engine::disks(
    const std::optional<std::vector<std::string>>& ids) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  std::vector<DiskInfo> infos;
  const auto visit = [&](const DiskView& view) -> Status {
    BLKREWIND_ASSIGN(DiskInfo info, impl().describe(view));
    infos.push_back(std::move(info));
    return {};
  };
  BLKREWIND_TRY(impl().operations_->for_each_disk(visit, [&](const format::DiskRecord& disk) {
    return !ids || std::find(ids->begin(), ids->end(), disk.id) != ids->end();
  }));
  return infos;
} catch (...) {
  return fail(caught());
}

Status Engine::list(const std::string& target, const VisitDisk& visit) try {
  const auto show = [&](const DiskView& view) -> Status {
    BLKREWIND_ASSIGN(const DiskInfo info, impl().describe(view));
    return visit(info, impl().describe_snapshots(view));
  };
  if (!target.empty()) {
    BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
    return show(found.view);
  }
  BLKREWIND_TRY(impl().operations_->refresh());
  return impl().operations_->for_each_disk(show);
} catch (...) {
  return fail(caught());
}

Result<DiskInfo> Engine::disk(const std::string& target) try {
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  return impl().describe(found.view);
} catch (...) {
  return fail(caught());
}

Result<StoreInfo> Engine::store_info() try {
  BLKREWIND_TRY(impl().operations_->refresh());
  return impl().operations_->store_info();
} catch (...) {
  return fail(caught());
}

Result<DiskInfo> Engine::register_disk(const std::string& target,
                                       const SnapshotOptions& options) try {
  BLKREWIND_ASSIGN(const Impl::Registered registered,
                   impl().find_or_register(target, options.chunk_bytes, options.chunk_bytes_given,
                                           options.raw, options.as_new));
  const DiskView& view = registered.found.view;
  if (!registered.now && !view.device && view.disk.id != target) {
    return fail(device_gone(view.disk, target));
  }
  return impl().describe(registered.found.view);
} catch (...) {
  return fail(caught());
}

Status Engine::attach_disk(const std::string& target, const std::string& instance) try {
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  BLKREWIND_ASSIGN(const DiskInfo info, impl().describe(found.view));
  if (found.view.intent) return fail(refused(ResetRule::kDiskStatus, way_out(found.view, target)));
  BLKREWIND_TRY(impl().operations_->check_evidence(found.view.disk, found.path));
  return impl().catalog_->attach(info.id, instance, impl().now());
} catch (...) {
  return fail(caught());
}

Status Engine::detach_disk(const std::string& target) try {
  BLKREWIND_ASSIGN(const Impl::Found found, impl().need(target));
  BLKREWIND_ASSIGN(const DiskInfo info, impl().describe(found.view));
  if (found.view.intent) return fail(refused(ResetRule::kDiskStatus, way_out(found.view, target)));
  if (info.status == "Creating") {
    return fail(refused(
        ResetRule::kDiskStatus,
        Remedy("wait until it has been taken").because("its first snapshot is being taken")));
  }
  // Before the device is checked, which this process may hold itself.
  if (found.view.locked) return fail(busy(found.view));
  const control::DeviceNow device =
      control::observe_device(*impl().env_, found.view.disk, found.path);
  if (!device.used_by.empty()) {
    const host::UsedBy& use = device.used_by.front();
    return fail(refused(ResetRule::kInstanceStatus,
                        Remedy(use.remedy).because(found.path + ": " + use.what)));
  }
  BLKREWIND_ASSIGN(const auto next, impl().operations_->next_snapshot(found.view.disk.number));
  return impl().catalog_->detach(info.id, info.registered_at, impl().now(), next);
} catch (...) {
  return fail(caught());
}

Status Engine::adopt_disk(const std::string& disk_id, const std::string& path) try {
  if (path.empty()) {
    return fail(Errc::kInvalidArgument, "no device was given",
                "name the device that is the disk from now on");
  }
  BLKREWIND_TRY(impl().operations_->refresh());
  // By id only: a path would be resolved by the very identity that is to be replaced.
  for (const format::DiskRecord& record : impl().operations_->known_disks()) {
    if (record.id != disk_id) continue;
    BLKREWIND_ASSIGN(const auto found, impl().operations_->disk(record.number));
    if (!found) break;
    const DiskView& view = *found;
    if (view.intent && view.locked) {
      return fail(Errc::kBusy, "a rollback of " + disk_id + " is running right now",
                  "wait until it has ended");
    }
    Status adopted = impl().operations_->adopt_disk(view.disk.number, path);
    if (!adopted && adopted.error().code == Errc::kBusy && !view.intent) {
      return fail(control::conflict(view.disk.path));
    }
    return adopted;
  }
  return fail(refused_as(Errc::kNotFound, ResetRule::kDiskNotFound,
                         look_into_list("give the disk's id (d-...), as the list shows it")));
} catch (...) {
  return fail(caught());
}

Result<DiskInfo> Engine::Impl::forget_lost(const std::string& disk_id, Error why) {
  for (const format::DiskRecord& record : operations_->known_disks()) {
    if (record.id != disk_id) continue;
    DiskView view;
    view.disk = record;
    BLKREWIND_ASSIGN(view.trouble, operations_->forget_lost_disk(record));
    BLKREWIND_TRY(control::tolerate_leftover_row(catalog_->forget_disk(disk_id), disk_id));
    return describe(std::move(view));
  }
  return fail(std::move(why));
}

Result<DiskInfo> Engine::forget_disk(const std::string& target, bool with_snapshots,
                                     const Monitor& monitor) try {
  auto known = impl().need(target);
  if (!known && known.error().code == Errc::kIntegrity && with_snapshots) {
    return impl().forget_lost(target, std::move(known).error());
  }
  BLKREWIND_ASSIGN(const Impl::Found found, std::move(known));
  BLKREWIND_ASSIGN(DiskInfo info, impl().describe(found.view));
  const std::string& id = found.view.disk.id;
  if (found.view.intent && (found.view.locked || !with_snapshots)) {
    return fail(refused(ResetRule::kResetInProgress, way_out(found.view, target)));
  }
  if (found.view.locked) return fail(busy(found.view));
  // Before any of its snapshots is deleted.
  BLKREWIND_TRY(impl().operations_->check_not_held(found.view.disk.number));
  if (found.view.intent) {
    BLKREWIND_TRY(impl().operations_->abandon_rollback(found.view.disk.number));
  }
  if (!found.view.snapshots.empty() && !with_snapshots) {
    const std::size_t count = found.view.snapshots.size();
    return fail(Errc::kPrecondition,
                id + " has " + std::to_string(count) + (count == 1 ? " snapshot" : " snapshots"),
                Remedy("delete its snapshots first")
                    .or_else(forget_all("delete all of them with the disk", id)));
  }
  for (const format::SnapshotRecord& snapshot : found.view.snapshots) {
    auto removed =
        impl().operations_->remove_snapshot({found.view.disk.number, snapshot.number}, monitor);
    if (!removed) {
      Error error = std::move(removed).error().while_doing("forgetting " + id);
      if (error.code == Errc::kCancelled) {
        error.remedy = Remedy("do the same again to go on")
                           .because("the snapshots that it had deleted are gone");
      }
      return fail(std::move(error));
    }
  }
  if (auto stopped = impl().operations_->stop_tracking(found.view.disk.number, found.path);
      !stopped) {
    log::warning("what tracks " + id + " stays: " + stopped.error().to_string());
  }
  BLKREWIND_TRY(impl().operations_->forget_disk(found.view.disk.number));
  BLKREWIND_TRY(control::tolerate_leftover_row(impl().catalog_->forget_disk(id), id));
  return info;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
