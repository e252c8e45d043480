// Snapshots: taking, importing, exporting, comparing, verifying, deleting.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/remedies.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"

namespace blkrewind {

using control::find_snapshot;
using control::find_snapshot_anywhere;
using control::FoundSnapshot;
using control::refused;
using control::refused_as;
using control::ResetRule;
using control::status_now;

namespace {

Status need_accomplished(const FoundSnapshot& found) {
  switch (status_now(*found.snapshot, found.disk->locked)) {
    case SnapshotStatus::kAccomplished:
      return {};
    case SnapshotStatus::kProgressing:
      return fail(refused(ResetRule::kNotReady, "wait until it has been taken"));
    case SnapshotStatus::kFailed:
      break;
  }
  return fail(refused(ResetRule::kNotReady, Remedy(Verb::kDelete, "delete it and take a new one",
                                                   {{Parameter::kSnapshot, found.snapshot->id}})
                                                .because("it failed")));
}

// An existing snapshot of this disk.
Result<FoundSnapshot> find_snapshot_of(const std::vector<DiskView>& views, format::DiskNumber disk,
                                       const std::string& target, const std::string& text) {
  const auto found = find_snapshot(views, disk, text);
  if (!found) {
    return fail(refused_as(Errc::kNotFound, ResetRule::kSnapshotNotFound,
                           look_into_list("see its snapshots", target)));
  }
  if (found->snapshot->disk != disk) {
    return fail(
        refused(ResetRule::kMismatch, look_into_list("see the snapshots of this disk", target)));
  }
  return *found;
}

// That can be read.
Result<FoundSnapshot> need_snapshot_of(const std::vector<DiskView>& views, format::DiskNumber disk,
                                       const std::string& target, const std::string& text) {
  BLKREWIND_ASSIGN(const FoundSnapshot found, find_snapshot_of(views, disk, target, text));
  BLKREWIND_TRY(need_accomplished(found));
  return found;
}

SnapshotKey key_of(const FoundSnapshot& found) {
  return {found.disk->disk.number, found.snapshot->number};
}

bool has_snapshot(const DiskView& view, const std::string& text) {
  const auto is_it = [&](const format::SnapshotRecord& snapshot) {
    return snapshot.id == text || (snapshot.name == text && !text.empty());
  };
  return std::ranges::any_of(view.snapshots, is_it) || std::ranges::any_of(view.deleting, is_it);
}

}  // namespace

Result<std::vector<DiskView>> Engine::Impl::views_for(const std::string& snapshot,
                                                      format::DiskNumber disk) {
  for (const format::DiskNumber number : {disk, number_in_id("s-", snapshot)}) {
    if (number == 0) continue;
    BLKREWIND_ASSIGN(auto view, operations_->disk(number));
    if (!view) continue;
    // A name of this disk is enough; without a disk, another one may have it as well.
    const bool latest = snapshot == "latest" && number == disk;
    if (latest || has_snapshot(*view, snapshot)) return std::vector<DiskView>{std::move(*view)};
  }
  std::vector<DiskView> views;
  const std::vector<format::DiskRecord> known = operations_->known_disks();
  if (snapshot == "latest" && known.size() > 1) {
    // Of which disk is not said: that there are several is all that counts.
    for (const format::DiskRecord& record : known) views.emplace_back().disk = record;
    return views;
  }
  std::optional<Error> trouble;
  BLKREWIND_TRY(operations_->for_each_disk([&](DiskView view) -> Status {
    if (view.trouble && !trouble) trouble = view.trouble;
    if (snapshot == "latest" || has_snapshot(view, snapshot)) views.push_back(std::move(view));
    return {};
  }));
  // A disk that cannot be read may have it: it is not missing, and a name may not be the only one.
  const bool decided = looks_like_id("s-", snapshot) ? !views.empty() : disk != 0;
  if (!trouble || decided) return views;
  std::string ids;
  for (const DiskView& view : views) {
    for (const format::SnapshotRecord& one : view.snapshots) {
      if (one.name == snapshot) ids += (ids.empty() ? "" : ", ") + one.id;
    }
  }
  if (!ids.empty()) {
    trouble->remedy = Remedy("name the snapshot by its id: " + ids)
                          .because("the disk may have one of that name")
                          .or_else(std::move(trouble->remedy));
  }
  return fail(std::move(*trouble));
}

std::vector<SnapshotInfo> Engine::Impl::describe_snapshots(const DiskView& view) const {
  std::vector<SnapshotInfo> infos;
  infos.reserve(view.snapshots.size());
  for (const format::SnapshotRecord& snapshot : view.snapshots) {
    infos.push_back(control::describe_snapshot(view, snapshot));
    const auto note = view.notes.find(snapshot.number);
    if (note != view.notes.end()) {
      infos.back().retention_days = note->second.retention_days;
      infos.back().tags = note->second.tags;
    }
    if (view.locked && at_work_.has(snapshot.id)) {
      infos.back().status = SnapshotStatus::kProgressing;
      infos.back().root_digest.clear();
    }
  }
  return infos;
}

Status Engine::Impl::check_new_snapshot(const Found& found, const std::string& target,
                                        const std::string& name, const std::string& description) {
  if (!name.empty() && !is_valid_snapshot_name(name)) {
    return fail(Errc::kInvalidArgument, "invalid snapshot name \"" + name + "\"",
                std::string(snapshot_name_rule()));
  }
  if (!description.empty() && !is_printable_text(description, kMaxDescriptionBytes)) {
    return fail(Errc::kInvalidArgument, "invalid description",
                "use at most 1024 bytes of printable text in one line");
  }
  if (found.view.intent && found.view.locked) return fail(control::conflict(found.path));
  if (found.view.intent) {
    return fail(
        refused(ResetRule::kResetInProgress, ways_out(target, found.view.intent->undo != 0)));
  }
  for (const format::SnapshotRecord& snapshot : found.view.snapshots) {
    if (name.empty() || snapshot.name != name ||
        status_now(snapshot, found.view.locked) == SnapshotStatus::kFailed) {
      continue;
    }
    return fail(
        Errc::kAlreadyExists,
        found.path + " has a snapshot named \"" + name + "\" already: " + snapshot.id,
        Remedy("choose another name")
            .or_else({Verb::kDelete, "delete that one", {{Parameter::kSnapshot, snapshot.id}}}));
  }
  return {};
}

Result<SnapshotReceipt> Engine::snapshot(const std::string& target, const SnapshotOptions& options,
                                         const Monitor& monitor) try {
  BLKREWIND_TRY(Impl::check_new_snapshot({}, target, options.name, options.description));
  BLKREWIND_ASSIGN(
      const Impl::Registered disk,
      impl().find_or_register(target, options.chunk_bytes, options.chunk_bytes_given, options.raw));
  BLKREWIND_TRY(Impl::check_new_snapshot(disk.found, target, options.name, options.description));
  auto receipt =
      impl().operations_->snapshot(disk.found.view.disk.number, disk.found.path, options, monitor);
  if (receipt) {
    receipt->disk_registered = disk.now;
  } else {
    impl().forget_if_empty(disk);
  }
  return receipt;
} catch (...) {
  return fail(caught());
}

Result<SnapshotReceipt> Engine::import_image(const std::string& target, const std::string& file,
                                             const ImportOptions& options,
                                             const Monitor& monitor) try {
  BLKREWIND_TRY(Impl::check_new_snapshot({}, target, options.name, options.description));
  if (file.empty()) {
    return fail(Errc::kInvalidArgument, "no image file was given", "name a raw image file");
  }
  BLKREWIND_ASSIGN(
      const Impl::Registered disk,
      impl().find_or_register(target, options.chunk_bytes, options.chunk_bytes_given, options.raw));
  BLKREWIND_TRY(Impl::check_new_snapshot(disk.found, target, options.name, options.description));
  auto receipt =
      impl().operations_->import_image(disk.found.view.disk.number, file, options, monitor);
  if (receipt) {
    receipt->disk_registered = disk.now;
  } else {
    impl().forget_if_empty(disk);
  }
  return receipt;
} catch (...) {
  return fail(caught());
}

Result<ExportReceipt> Engine::export_image(const std::string& snapshot, const std::string& file,
                                           const ExportOptions& options,
                                           const Monitor& monitor) try {
  if (file.empty()) {
    return fail(Errc::kInvalidArgument, "no file was given",
                "name a new file, or - for standard output");
  }
  BLKREWIND_ASSIGN(const Impl::Readable found, impl().need_readable(snapshot, {}));
  return impl().operations_->export_image(found.key, file, options, monitor);
} catch (...) {
  return fail(caught());
}

Result<ExportReceipt> Engine::export_stream(const std::string& snapshot, const ImageSink& sink,
                                            const ExportOptions& options,
                                            const Monitor& monitor) try {
  BLKREWIND_ASSIGN(const Impl::Readable found, impl().need_readable(snapshot, {}));
  return impl().operations_->export_stream(found.key, sink, options, monitor);
} catch (...) {
  return fail(caught());
}

Result<Engine::Impl::Named> Engine::Impl::look_up(const std::string& snapshot,
                                                  const std::string& target, Deleting deleting) {
  BLKREWIND_TRY(operations_->refresh());
  format::DiskNumber disk = 0;
  if (!target.empty()) {
    BLKREWIND_ASSIGN(const Found known, need(target));
    disk = known.view.disk.number;
  }
  Named named;
  BLKREWIND_ASSIGN(named.views, views_for(snapshot, disk));
  auto found = disk == 0 ? find_snapshot_anywhere(named.views, snapshot)
                         : find_snapshot_of(named.views, disk, target, snapshot);
  if (!found && found.error().code == Errc::kNotFound && deleting == Deleting::kToo) {
    if (const auto gone = control::find_deleting(named.views, snapshot);
        gone && (disk == 0 || gone->snapshot->disk == disk)) {
      found = *gone;
    }
  }
  BLKREWIND_ASSIGN(named.found, std::move(found));
  return named;
}

Result<std::string> Engine::snapshot_id(const std::string& snapshot,
                                        const std::string& target) try {
  BLKREWIND_ASSIGN(const Impl::Named named, impl().look_up(snapshot, target, Impl::Deleting::kToo));
  return named.found.snapshot->id;
} catch (...) {
  return fail(caught());
}

Result<Engine::Impl::Readable> Engine::Impl::need_readable(const std::string& snapshot,
                                                           const std::string& target) {
  BLKREWIND_ASSIGN(const Named named, look_up(snapshot, target));
  const FoundSnapshot& found = named.found;
  BLKREWIND_TRY(need_accomplished(found));
  Readable readable{.key = key_of(found), .info = {}};
  for (SnapshotInfo& info : describe_snapshots(*found.disk)) {
    if (info.id == found.snapshot->id) readable.info = std::move(info);
  }
  return readable;
}

Result<DiffReceipt> Engine::diff(const std::string& target, const std::string& snapshot,
                                 const std::optional<std::string>& other,
                                 const std::function<void(Extent)>& visit,
                                 const Monitor& monitor) try {
  BLKREWIND_ASSIGN(const Impl::Found disk, impl().need(target));
  const format::DiskNumber number = disk.view.disk.number;
  BLKREWIND_ASSIGN(const auto views, impl().views_for(snapshot, number));
  BLKREWIND_ASSIGN(const FoundSnapshot from, need_snapshot_of(views, number, target, snapshot));
  if (!other) {
    return impl().operations_->diff_device(number, disk.path, from.snapshot->number, visit,
                                           monitor);
  }
  BLKREWIND_ASSIGN(const auto others, impl().views_for(*other, number));
  BLKREWIND_ASSIGN(const FoundSnapshot to, need_snapshot_of(others, number, target, *other));
  return impl().operations_->diff_snapshots(key_of(from), key_of(to), visit, monitor);
} catch (...) {
  return fail(caught());
}

Result<VerifyReceipt> Engine::verify(std::span<const std::string> snapshots,
                                     const Monitor& monitor) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  std::vector<SnapshotKey> keys;
  for (const std::string& text : snapshots) {
    BLKREWIND_ASSIGN(const Impl::Named named, impl().look_up(text, {}));
    BLKREWIND_TRY(need_accomplished(named.found));
    keys.push_back(key_of(named.found));
  }
  return impl().operations_->verify(std::move(keys), monitor);
} catch (...) {
  return fail(caught());
}

Result<DeleteReceipt> Engine::remove_snapshot(const std::string& snapshot,
                                              const Monitor& monitor) try {
  BLKREWIND_ASSIGN(const Impl::Named named, impl().look_up(snapshot, {}, Impl::Deleting::kToo));
  const FoundSnapshot& found = named.found;
  const auto& intent = found.disk->intent;
  const format::SnapshotNumber number = found.snapshot->number;
  if (intent && (intent->target == number || intent->undo == number)) {
    if (found.disk->locked) {
      return fail(refused(
          ResetRule::kResetInProgress,
          Remedy("wait until that has ended").because("a rollback that is running needs it")));
    }
    return fail(
        refused(ResetRule::kResetInProgress, ways_out(found.disk->disk.path, intent->undo != 0)
                                                 .because("an interrupted rollback needs it")));
  }
  if (status_now(*found.snapshot, found.disk->locked) == SnapshotStatus::kProgressing) {
    return fail(Errc::kBusy, "the snapshot " + found.snapshot->id + " is being taken right now",
                "wait until it has ended, or interrupt it");
  }
  return impl().operations_->remove_snapshot(key_of(found), monitor);
} catch (...) {
  return fail(caught());
}

Result<CollectReceipt> Engine::collect(const Monitor& monitor) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  BLKREWIND_ASSIGN(CollectReceipt receipt, impl().operations_->collect(monitor));
  impl().remove_leftover_rows();
  return receipt;
} catch (...) {
  return fail(caught());
}

// Removes rows of the catalog about disks that are gone from the index. A row is created after
// its disk is in the index, so a disk that the catalog, read first, names and the index then
// does not contain is gone. Best effort: such rows do no harm.
void Engine::Impl::remove_leftover_rows() {
  const auto attachments = catalog_->attachments();
  if (!attachments || !operations_->refresh()) return;
  std::set<std::string> known;
  for (const auto& record : operations_->known_disks()) known.insert(record.id);
  for (const control::Attachment& row : *attachments) {
    if (known.contains(row.disk_id)) continue;
    const Status removed = catalog_->forget_disk(row.disk_id);
    if (!removed) {
      log::warning("a row about " + row.disk_id + " stays: " + removed.error().to_string());
    }
  }
}

Result<std::vector<SnapshotInfo>> Engine::snapshots(const std::string& disk_id) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  std::vector<SnapshotInfo> infos;
  bool known = disk_id.empty();
  for (const format::DiskRecord& record : impl().operations_->known_disks()) {
    if (!disk_id.empty() && record.id != disk_id) continue;
    BLKREWIND_ASSIGN(const auto view, impl().operations_->disk(record.number));
    if (!view) continue;
    known = true;
    std::ranges::move(impl().describe_snapshots(*view), std::back_inserter(infos));
  }
  if (!known) {
    return fail(refused_as(Errc::kNotFound, ResetRule::kDiskNotFound,
                           look_into_list("see the disks that are registered")));
  }
  return infos;
} catch (...) {
  return fail(caught());
}

Result<std::vector<std::string>> Engine::snapshots_past_retention() try {
  BLKREWIND_TRY(impl().operations_->refresh());
  const std::vector<SnapshotKey> over = impl().operations_->count_retention(impl().moment());
  std::vector<std::string> oldest_first;
  for (auto at = over.begin(); at != over.end();) {
    BLKREWIND_ASSIGN(const auto view, impl().operations_->disk(at->disk));
    for (const format::DiskNumber disk = at->disk; at != over.end() && at->disk == disk; ++at) {
      const auto* snapshot = view ? control::snapshot_of(*view, at->number) : nullptr;
      // One in progress is not deleted, and one that a clone needs not yet.
      if (snapshot != nullptr &&
          status_now(*snapshot, view->locked) != SnapshotStatus::kProgressing &&
          std::ranges::find(view->holds, at->number, &format::HoldRecord::snapshot) ==
              view->holds.end()) {
        oldest_first.push_back(snapshot->id);
      }
    }
  }
  return oldest_first;
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
