#include "operations/operations.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "operations/operations_parts.h"
#include "operations/raw_image.h"
#include "operations/recognise.h"
#include "operations/tracking.h"
#include "store/holds.h"
#include "store/reclaim.h"

namespace blkrewind {

using format::SnapshotState;

namespace {

// The path without symbolic links and "..", as far as it exists: the form used in records.
std::string resolved(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return path;
  const auto canonical = std::filesystem::weakly_canonical(absolute, error);
  return error ? absolute.lexically_normal().string() : canonical.string();
}

// The disk that was seen last at `path`; none if there are several.
const format::DiskRecord* only_disk_at(const store::State& state, const std::string& path) {
  const std::string full = resolved(path);
  const format::DiskRecord* only = nullptr;
  for (const auto& [number, record] : state.disks) {
    if (record.path != path && record.path != full) continue;
    if (only != nullptr) return nullptr;
    only = &record;
  }
  return only;
}

tl::unexpected<Error> already_known(const format::DiskRecord& disk, const std::string& path,
                                    const std::string& why) {
  return fail(Errc::kAlreadyExists, path + " is disk " + disk.id + ", proven by " + why,
              Remedy("use it as it is")
                  .or_else({Verb::kDiskForget, "drop that disk", {{Parameter::kTarget, disk.id}}}));
}

// An interrupted rollback can only be resumed on a device of its snapshot's size; otherwise the
// disk has the size that was seen last.
Status check_adopted_size(const store::State& state, const format::DiskRecord& disk,
                          const host::DeviceInfo& info) {
  std::uint64_t wanted = disk.device_bytes;
  if (const auto intent = state.intents.find(disk.number); intent != state.intents.end()) {
    if (const auto* target = state.snapshot(intent->second.target)) wanted = target->device_bytes;
  }
  if (info.size_bytes == wanted) return {};
  return fail(Errc::kPrecondition,
              info.path + " has " + std::to_string(info.size_bytes) + " bytes, but disk " +
                  disk.id + " has " + std::to_string(wanted),
              Remedy("name a device of that size")
                  .or_else({Verb::kDiskRegister,
                            "make this one a disk of its own",
                            {{Parameter::kTarget, info.path}}}));
}

Status mark_shared_in_logs(store::Store& store, const std::vector<format::DiskNumber>& disks) {
  for (const format::DiskNumber number : disks) {
    const auto history = store.history(number);
    if (!history && history.error().code == Errc::kNotFound) continue;  // removed meanwhile
    if (!history) return fail(history.error());
    const auto mark = [&](const store::State& state) -> Result<format::Transaction> {
      const auto* known = state.disk(number);
      if (known == nullptr || is_shared(known->identity)) return format::Transaction{};
      format::DiskRecord marked = *known;
      mark_shared(marked.identity);
      return format::Transaction{std::move(marked)};
    };
    BLKREWIND_TRY((*history)->log().update(mark));
  }
  return {};
}

Result<std::unique_ptr<store::Store>> open_store(io::Env& env, const OperationsOptions& options) {
  if (options.home) {
    BLKREWIND_ASSIGN(auto home, options.home());
    return store::Store::open(std::move(home));
  }
  BLKREWIND_ASSIGN(const bool there, store::Store::exists(env, options.store));
  if (!there && options.create) {
    const Status made = store::Store::create(env, options.store);
    // Another process was faster.
    if (!made && made.error().code != Errc::kAlreadyExists) return fail(made.error());
  }
  BLKREWIND_ASSIGN(auto store, store::Store::open(env, options.store));
  if (options.create) BLKREWIND_TRY(store->check_writable());
  return store;
}

}  // namespace

Result<std::unique_ptr<Operations>> Operations::open(io::Env& env,
                                                     const OperationsOptions& options) {
  BLKREWIND_ASSIGN(auto store, open_store(env, options));
  return std::unique_ptr<Operations>(
      new Operations(std::make_unique<Parts>(env, std::move(store), options)));
}

Operations::Operations(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Operations::~Operations() = default;

const std::string& Operations::store_path() const { return parts_->store->folder(); }

Status Operations::refresh() { return parts_->store->index().refresh(); }

Result<StoreInfo> Operations::store_info() { return parts_->store->info(); }

std::vector<format::DiskRecord> Operations::known_disks() const {
  std::vector<format::DiskRecord> records;
  const auto index = parts_->store->disks();
  records.reserve(index->disks.size());
  for (const auto& [number, record] : index->disks) records.push_back(record);
  return records;
}

// The lock before the state: an operation records its end before it releases the lock, so that what
// is not locked has ended in the state that is read afterwards.
Result<std::optional<DiskView>> Operations::disk(format::DiskNumber number) {
  store::Store& store = *parts_->store;
  // A lock that cannot be read says nothing; the operation that needs it will report the cause.
  const bool locked = store.has_owner(number).value_or(false);
  auto opened = store.history(number);
  if (!opened && opened.error().code == Errc::kNotFound) return std::optional<DiskView>{};
  BLKREWIND_ASSIGN(const auto history, std::move(opened));
  const auto state = history->state();
  const auto* record = state->disk(number);
  if (record == nullptr) return std::optional<DiskView>{};
  DiskView view;
  view.disk = *record;
  view.locked = locked;
  if (const auto* intent = state->intents.get(number)) view.intent = *intent;
  if (const auto* reset = state->resets.get(number)) view.reset = *reset;
  const auto index = store.disks();
  if (const auto* origin = state->origins.get(number)) {
    view.origin = *origin;
    if (const auto* parent = index->disk(origin->parent())) view.origin_disk_id = parent->id;
  }
  for (const auto& [clone, hold] : state->holds) {
    if (store::counts(*index, hold)) view.holds.push_back(hold);
  }
  for (const auto& [noted, note] : state->notes) view.notes.emplace(noted, note);
  for (const auto& [snapshot_number, snapshot] : state->snapshots) {
    if (snapshot.state == SnapshotState::kTombstone) continue;
    const bool deleting = snapshot.state == SnapshotState::kDeleting;
    (deleting ? view.deleting : view.snapshots).push_back(snapshot);
  }
  return std::optional<DiskView>(std::move(view));
}

bool Operations::in_doubt(format::DiskNumber disk) {
  const auto history = parts_->store->history(disk);
  return history && (*history)->log().in_doubt();
}

Status Operations::for_each_disk(const std::function<Status(DiskView)>& visit,
                                 const WantedDisk& wanted) {
  const auto index = parts_->store->disks();
  for (const auto& [number, record] : index->disks) {
    if (wanted && !wanted(record)) continue;
    auto view = disk(number);
    if (!view) {
      DiskView unreadable;
      unreadable.disk = record;
      unreadable.trouble = std::move(view).error();
      BLKREWIND_TRY(visit(std::move(unreadable)));
    } else if (*view) {
      BLKREWIND_TRY(visit(std::move(**view)));
    }
  }
  return {};
}

Result<std::vector<DiskView>> Operations::disks() {
  std::vector<DiskView> views;
  BLKREWIND_TRY(for_each_disk([&](DiskView view) -> Status {
    views.push_back(std::move(view));
    return {};
  }));
  return views;
}

Result<format::SnapshotNumber> Operations::next_snapshot(format::DiskNumber disk) {
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(disk));
  return history->state()->counters.next_snapshot;
}

Result<std::optional<DiskView>> Operations::find_disk(const std::string& target) {
  const auto index = parts_->store->disks();
  for (const auto& [number, record] : index->disks) {
    if (record.id == target) return disk(number);
  }
  if (is_valid_id("d-", target)) return std::optional<DiskView>{};
  auto probed = parts_->env.probe(target);
  if (!probed && probed.error().code == Errc::kNotFound) {
    if (const auto* gone = only_disk_at(*index, target)) return disk(gone->number);
  }
  BLKREWIND_ASSIGN(const host::DeviceInfo info, std::move(probed));
  BLKREWIND_ASSIGN(const auto recognised, recognise(parts_->env, *index, info));
  if (!recognised) return std::optional<DiskView>{};
  BLKREWIND_ASSIGN(auto view, disk(recognised->disk.number));
  if (view) {
    view->device = info;
    view->recognised_by = recognised->by;
  }
  return view;
}

std::string Operations::seen_last_at(const std::string& path) {
  const auto info = parts_->env.examine(path);
  if (!info) return {};
  const auto state = parts_->store->disks();
  for (const auto& [number, record] : state->disks) {
    if (record.path != info->real_path) continue;
    const host::Judgement judgement = judge(*info, record);
    if (judgement.verdict == host::Verdict::kDifferent) {
      return "disk " + record.id +
             " was seen there last, but this is a different device: " + judgement.why;
    }
  }
  return {};
}

Presence Operations::find_device(const format::DiskRecord& disk) {
  return blkrewind::find_device(parts_->env, disk);
}

Result<AddedDisk> add_device(store::Store& store, const host::DeviceInfo& info,
                             std::uint32_t chunk_bytes, bool as_new,
                             const store::Store::BeginDisk& begin) {
  const std::string id = new_id("d-");
  format::DiskRecord record;
  std::vector<format::DiskNumber> twins;  // whose hardware id is this device's as well
  const auto build = [&](const store::State& index,
                         format::DiskNumber number) -> Result<format::Transaction> {
    format::Transaction transaction;
    record = {};
    twins.clear();
    bool shared = false;
    for (const auto& [other_number, known] : index.disks) {
      const bool one_id = host::same_hardware_id(known.identity, info.identity);
      shared = shared || (one_id && is_shared(known.identity));
      const host::Judgement judgement = judge(info, known);
      if (!is_certain(judgement.verdict)) continue;
      if (!as_new) {
        // Another process has registered it since the caller checked.
        record = known;
        return format::Transaction{};
      }
      // Recognised is less than proven: a copy looks the same.
      if (judgement.verdict == host::Verdict::kRecognised && !one_id) continue;
      if (!one_id) return already_known(known, info.path, judgement.why);
      // The caller asserts that two devices have this id: it identifies neither of them.
      shared = true;
      twins.push_back(other_number);
      format::DiskRecord other = known;
      mark_shared(other.identity);
      transaction.emplace_back(std::move(other));
    }
    record.number = number;
    record.id = id;
    record.path = info.real_path;
    record.kind = info.kind;
    record.device_bytes = info.size_bytes;
    record.chunk_bytes = chunk_bytes;
    record.identity = info.identity;
    if (shared) mark_shared(record.identity);
    record.registered_at = now_seconds();
    transaction.emplace_back(record);
    return transaction;
  };
  // In the twins' logs first: what the index says of a disk is judged by its log. And again for one
  // that came in between.
  BLKREWIND_TRY(store.index().refresh());
  BLKREWIND_TRY(build(*store.disks(), 1));
  BLKREWIND_TRY(mark_shared_in_logs(store, twins));
  BLKREWIND_TRY(store.add_disk(build, begin));
  BLKREWIND_TRY(mark_shared_in_logs(store, twins));
  const bool added = record.id == id;
  return AddedDisk{std::move(record), added};
}

void warn_of_known_file(io::Env& env, const store::State& index, const host::DeviceInfo& info) {
  const host::DeviceIdentity& loop = info.identity;
  const bool whole = loop.layer == host::Layer::kLoop && loop.backing_id.inode != 0 &&
                     loop.backing_offset == 0 && loop.backing_limit == 0;
  if (!whole) return;
  const auto file = env.examine(loop.backing_file);
  if (!file || file->identity.backing_id != loop.backing_id) return;
  for (const auto& [number, disk] : index.disks) {
    if (disk.kind != host::DeviceKind::kFile || !is_certain(judge(*file, disk).verdict)) continue;
    log::warning(info.path + " is a disk of its own now, but its file " + loop.backing_file +
                 " is registered as disk " + disk.id +
                 ": detach it and name the file to share its history");
  }
}

Result<DiskView> Operations::register_disk(const std::string& path, std::uint32_t chunk_bytes,
                                           bool raw, bool as_new) {
  if (!is_valid_chunk_bytes(chunk_bytes)) {
    return fail(Errc::kInvalidArgument,
                "invalid chunk size: " + std::to_string(chunk_bytes) + " bytes",
                "use a power of two from 4 KiB to 1 MiB");
  }
  BLKREWIND_ASSIGN(const host::DeviceInfo info, parts_->env.probe(path));
  if (info.size_bytes == 0) {
    return fail(Errc::kInvalidArgument, path + " is empty",
                "name a device or an image file that holds something");
  }
  if (info.size_bytes > kMaxDeviceBytes) {
    return fail(Errc::kInvalidArgument, path + " is larger than blkrewind supports");
  }
  if (!raw) BLKREWIND_TRY(check_raw(parts_->env, info));
  BLKREWIND_ASSIGN(const AddedDisk added, add_device(*parts_->store, info, chunk_bytes, as_new));
  if (added.added) warn_of_known_file(parts_->env, *parts_->store->disks(), info);
  BLKREWIND_ASSIGN(auto view, disk(added.record.number));
  if (!view) return fail(Errc::kNotFound, "the disk was removed from the store");
  return std::move(*view);
}

Status Operations::adopt_disk(format::DiskNumber number, const std::string& path) {
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk(*parts_->store, number, Pending::kAllow));
  BLKREWIND_ASSIGN(const host::DeviceInfo info, parts_->env.probe(path));
  format::DiskRecord adopted = locked.disk;
  adopted.path = info.real_path;
  adopted.kind = info.kind;
  adopted.identity = info.identity;
  const host::Judgement itself = judge(info, adopted);
  adopted.identity.vouched = !is_certain(itself.verdict);
  BLKREWIND_ASSIGN(const auto twin, other_match(parts_->env, adopted, info, host::Verdict::kSame));
  if (twin || is_shared(locked.disk.identity)) mark_shared(adopted.identity);
  BLKREWIND_TRY(check_adopted_size(*locked.state, locked.disk, info));
  const auto take_over = [&](const store::State& index) -> Result<format::Transaction> {
    for (const auto& [other, record] : index.disks) {
      if (other == number || judge(info, record).verdict != host::Verdict::kSame) continue;
      return fail(
          Errc::kPrecondition, path + " is already disk " + record.id,
          Remedy(Verb::kDiskForget, "forget that one first", {{Parameter::kTarget, record.id}}));
    }
    return format::Transaction{store::index_entry(adopted)};
  };
  BLKREWIND_TRY(parts_->store->index().update(take_over));
  return locked.history->log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        format::DiskRecord record = *state.disk(number);
        record.path = adopted.path;
        record.kind = adopted.kind;
        record.identity = adopted.identity;
        // Nothing is known about the content of this device.
        record.base_snapshot = 0;
        format::Transaction transaction = {std::move(record)};
        // A rollback that has started continues on the device that holds its data.
        const auto* reset = accepted_reset(state, number);
        if (reset != nullptr && !state.intents.contains(number)) {
          transaction.emplace_back(ended(*reset, replaced_by_another(now_seconds())));
        }
        return transaction;
      });
}

namespace {

// A clone of the disk is gone: its hold is dropped with what else is settled when the disk is
// locked. If that is not possible now, the next operation on it does so.
void release_origin(store::Store& store, format::DiskNumber parent) {
  const auto locked = lock_disk(store, parent, Pending::kAllow);
  if (!locked) log::info("a hold is dropped later: " + locked.error().to_string());
}

}  // namespace

Status Operations::forget_disk(format::DiskNumber number) {
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk(*parts_->store, number, Pending::kRefuse));
  store::Store& store = *parts_->store;
  BLKREWIND_TRY(store::check_not_held(*store.disks(), *locked.state, locked.disk));
  for (const auto& [snapshot_number, snapshot] : locked.state->snapshots) {
    if (snapshot.state != SnapshotState::kAccomplished) continue;
    return fail(
        Errc::kPrecondition, "disk " + locked.disk.id + " has snapshots",
        Remedy("delete them first")
            .or_else({Verb::kDiskForget,
                      "have them deleted",
                      {{Parameter::kTarget, locked.disk.id}, {Parameter::kWithSnapshots, {}}}}));
  }
  const auto* origin = locked.state->origins.get(number);
  BLKREWIND_TRY(store.remove_disk(number));
  if (origin != nullptr) release_origin(store, origin->parent());
  return {};
}

Status Operations::check_not_held(format::DiskNumber number) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(const auto history, store.history(number));
  const auto index = store.disks();
  const auto* record = index->disk(number);
  if (record == nullptr) return {};
  return store::check_not_held(*index, *history->state(), *record);
}

Result<Error> Operations::forget_lost_disk(const format::DiskRecord& disk) {
  store::Store& store = *parts_->store;
  std::optional<format::OriginRecord> origin;
  if (const auto index = store.disks(); const auto* copy = index->origins.get(disk.number)) {
    origin = *copy;
  }
  BLKREWIND_ASSIGN(Error lost, store.remove_lost_disk(disk.number));
  if (origin) release_origin(store, origin->parent());
  if (parts_->trackers == nullptr) return lost;
  const auto stopped =
      parts_->trackers->stop(tracked_disk(store, disk, disk.path, disk.device_bytes));
  if (!stopped) log::warning("what tracks " + disk.id + " stays: " + stopped.error().to_string());
  return lost;
}

namespace {

// Both directions need damaged snapshots.
bool is_stuck(const store::State& state, const format::IntentRecord& intent) {
  const auto is_lost = [&](format::SnapshotNumber number) {
    const auto* snapshot = state.snapshot(number);
    return snapshot == nullptr || snapshot->damaged;
  };
  return is_lost(intent.target) && (intent.undo == 0 || is_lost(intent.undo));
}

}  // namespace

Status Operations::abandon_rollback(format::DiskNumber number) {
  BLKREWIND_ASSIGN(const LockedDisk locked, lock_disk(*parts_->store, number, Pending::kAllow));
  const bool gone = find_device(locked.disk).attached == false;
  return locked.history->log().update(
      [&](const store::State& state) -> Result<format::Transaction> {
        const auto intent = state.intents.find(number);
        if (intent == state.intents.end()) return format::Transaction{};
        if (!gone && !is_stuck(state, intent->second))
          return reset_in_progress(locked.disk, intent->second);
        format::DiskRecord disk = *state.disk(number);
        disk.base_snapshot = 0;
        format::Transaction transaction = {format::IntentRemoved{number}, disk};
        if (const auto* reset = accepted_reset(state, number)) {
          transaction.emplace_back(ended(*reset, replaced_by_another(now_seconds())));
        }
        return transaction;
      },
      store::Room::kFrees);
}

Result<std::shared_ptr<store::Lease>> Operations::hold_disk(format::DiskNumber disk) {
  return parts_->store->lease(disk);
}

Status Operations::check_evidence(const format::DiskRecord& disk, const std::string& path) {
  const auto info = parts_->env.examine(path);
  if (!info || judge(*info, disk).verdict == host::Verdict::kDifferent) return {};
  BLKREWIND_TRY(need_same(parts_->env, disk, *info, Alone::kUnlessJustRegistered));
  return {};
}

Status Operations::check_device(const format::DiskRecord& disk, const std::string& path,
                                bool for_writing) {
  BLKREWIND_ASSIGN(const host::DeviceInfo info, blkrewind::look_at(parts_->env, path));
  BLKREWIND_TRY(blkrewind::check_device(parts_->env, store_path(), disk, info,
                                        for_writing ? DeviceUse::kPlan : DeviceUse::kRead));
  return {};
}

}  // namespace blkrewind
