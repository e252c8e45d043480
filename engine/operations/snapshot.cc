// Takes a snapshot, from the device or from an image file.
//
//   1. log: the snapshot is progressing, with its notes and the token of its request
//   2. read, digest, compare; new chunks and nodes go to segments of their own
//   3. flush the segments
//   4. log: the snapshot is accomplished, with its root and its segments     <- it exists
//
// Of a device that is in use, 2 is a copy in passes that ends with one instant
// (online/scan_in_use.h); 3 and 4 come once that is over.
//
// After a power cut before 4, the log has a progressing snapshot without a process (the next
// operation on the disk marks it as failed), and the segments are orphans.
#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "io/stream.h"
#include "operations/online/scan_in_use.h"
#include "operations/online/still_image.h"
#include "operations/operations_parts.h"
#include "operations/raw_image.h"
#include "operations/tracking.h"
#include "pipeline/scan.h"
#include "pipeline/tracked_source.h"
#include "store/reclaim.h"

namespace blkrewind {
namespace {

using format::SnapshotState;

struct SnapshotPlan {
  SnapshotKind kind = SnapshotKind::kUser;
  std::string name;
  std::string description;
  std::int64_t created_at = 0;
  OpenedDevice source;  // the disk's device, or the image file that is imported
  format::Geometry geometry;
  bool is_device = true;  // which now equals the snapshot
  ChangeSource change_source = ChangeSource::kAuto;
  std::string recognised_by;  // of the device
  NewNotes notes;
  OnlineOptions online;

  [[nodiscard]] bool in_use() const { return source.use == DeviceUse::kInUse; }

  // Then its bytes cannot be read a second time.
  [[nodiscard]] bool is_stream() const {
    return dynamic_cast<const io::Stream*>(source.file.get()) != nullptr;
  }
};

Status check_name(const store::State& state, format::DiskNumber disk, const std::string& name) {
  if (name.empty()) return {};
  if (!is_valid_snapshot_name(name)) {
    return fail(Errc::kInvalidArgument, "invalid snapshot name \"" + name + "\"",
                std::string(snapshot_name_rule()));
  }
  for (const auto& [number, snapshot] : state.snapshots) {
    if (snapshot.disk == disk && snapshot.name == name &&
        (snapshot.state == SnapshotState::kAccomplished ||
         snapshot.state == SnapshotState::kProgressing)) {
      return fail(
          Errc::kAlreadyExists,
          "the disk has a snapshot named '" + name + "' already (" + snapshot.id + ")",
          Remedy("choose another name")
              .or_else({Verb::kDelete, "delete that one", {{Parameter::kSnapshot, snapshot.id}}}));
    }
  }
  return {};
}

// Of a snapshot of a device in use: what is held in locked memory, and what its workers have.
// Together they are less than an operation otherwise takes.
constexpr std::size_t kHeldBytesMax = 24 * kMiB;
constexpr std::uint64_t kBufferBytesInUse = 12 * kMiB;

class SnapshotMaker {
 public:
  SnapshotMaker(store::Store& store, track::Trackers* trackers, freeze::Freezer* freezer,
                LockedDisk locked, SnapshotPlan plan, const pipeline::Means& means)
      : store_(store),
        trackers_(trackers),
        freezer_(freezer),
        locked_(std::move(locked)),
        history_(*locked_.history),
        plan_(std::move(plan)),
        means_(means) {}

  // Announced and never made: nothing stays of it.
  ~SnapshotMaker() {
    if (announced_) (void)store::forget_unfinished(history_, record_.number);
  }

  SnapshotMaker(const SnapshotMaker&) = delete;
  SnapshotMaker& operator=(const SnapshotMaker&) = delete;

  Status announce() {
    if (!plan_.notes.empty()) BLKREWIND_TRY(count_in_parts(history_, plan_.notes.now));
    Status announced =
        history_.log().update([&](const store::State& state) -> Result<format::Transaction> {
          BLKREWIND_TRY(check_name(state, locked_.disk.number, plan_.name));
          record_ = {};
          record_.number = state.counters.next_snapshot;
          record_.disk = locked_.disk.number;
          record_.id = new_id("s-", locked_.disk.number);
          record_.name = plan_.name;
          record_.description = plan_.description;
          record_.kind = plan_.kind;
          record_.created_at = plan_.created_at;
          record_.device_bytes = plan_.geometry.device_bytes;
          record_.chunk_bytes = plan_.geometry.chunk_bytes;
          format::Counters counters = state.counters;
          ++counters.next_snapshot;
          format::Transaction transaction = {record_, counters};
          add_notes_of(history_.secret(), state, record_, plan_.notes, transaction);
          return transaction;
        });
    announced_ = announced.has_value();
    return announced;
  }

  [[nodiscard]] const std::string& id() const { return record_.id; }

  Result<SnapshotReceipt> make(const Monitor& monitor) {
    const pipeline::Stopwatch watch;
    announced_ = false;
    auto outcome = scan(monitor);
    if (!outcome) {
      give_up(outcome.error());
      return fail(std::move(outcome).error().while_doing("taking snapshot " + record_.id));
    }
    SnapshotReceipt receipt;
    receipt.snapshot_id = record_.id;
    receipt.name = record_.name;
    receipt.disk_id = locked_.disk.id;
    receipt.change_source = outcome->change_source;
    receipt.device_bytes = plan_.geometry.device_bytes;
    receipt.scanned_bytes = outcome->scanned_bytes;
    receipt.changed_bytes = outcome->changed_bytes;
    receipt.stored_bytes = outcome->stored_bytes;
    receipt.zero_bytes = outcome->zero_bytes;
    receipt.root_digest = to_hex(record_.root_digest);
    receipt.recognised_by = plan_.recognised_by;
    receipt.taken_from = record_.capture.from;
    receipt.frozen_us = record_.capture.frozen_us;
    receipt.frozen = frozen_;
    receipt.passes = passes_;
    receipt.last_pass_bytes = last_pass_bytes_;
    receipt.scan_seconds = outcome->seconds;
    receipt.elapsed_seconds = watch.seconds();
    return receipt;
  }

 private:
  Result<pipeline::ScanOutcome> scan(const Monitor& monitor) {
    BLKREWIND_ASSIGN(auto watch, begin_watch());
    BLKREWIND_ASSIGN(Tracking tracking, begin_tracking());
    const auto parent = parent_of(*locked_.state, locked_.disk, plan_.geometry);
    auto outcome = scan_and_commit(parent, tracking, std::move(watch), monitor);
    if (outcome || !parent || outcome.error().code != Errc::kIntegrity) return outcome;
    // Only the tree to share with can be damaged. The device holds all that it is to hold.
    mark_damaged(history_, parent->number);
    if (plan_.is_stream()) {
      return fail(std::move(outcome).error().with_remedy(
          "import it again: nothing is shared with the damaged snapshot any more"));
    }
    BLKREWIND_ASSIGN(watch, begin_watch());
    return scan_and_commit({}, tracking, std::move(watch), monitor);
  }

  Result<pipeline::ScanOutcome> scan_and_commit(const std::optional<format::SnapshotRecord>& parent,
                                                Tracking& tracking,
                                                std::unique_ptr<track::Watch> watch,
                                                const Monitor& monitor) {
    BLKREWIND_ASSIGN(auto writer, history_.make_writer());
    BLKREWIND_ASSIGN(auto queue, history_.env().make_queue({.depth = 1}));
    // What it says is of the base snapshot, so the tree must be shared with that one.
    std::unique_ptr<pipeline::TrackedSource> tracked;
    if (tracking.source() != nullptr && parent && parent->number == locked_.disk.base_snapshot) {
      BLKREWIND_ASSIGN(
          tracked, pipeline::TrackedSource::make(history_, *tracking.source(), *parent, *parent));
    }
    const auto scan_source = [&] {
      if (!plan_.in_use()) {
        return scan_file(*plan_.source.file, parent, tracked.get(), *writer, monitor);
      }
      return plan_.source.info.kind == host::DeviceKind::kFile
                 ? scan_clone(parent, *writer, monitor)
                 : scan_in_use(parent, tracked.get(), *writer, std::move(watch), monitor);
    };
    BLKREWIND_ASSIGN(pipeline::ScanOutcome outcome, scan_source());
    BLKREWIND_TRY(writer->seal(*queue));
    // The data counts only if it was read from this device, without concurrent writes.
    BLKREWIND_TRY(recheck());

    record_.state = SnapshotState::kAccomplished;
    record_.root = outcome.root;
    record_.root_digest =
        format::root_digest(history_.secret(), plan_.geometry, outcome.root.digest);
    record_.stored_bytes = outcome.stored_bytes;
    record_.zero_bytes = outcome.zero_bytes;
    if (parent) record_.kin.push_back(parent->number);
    tracking.prepare(record_.id, track::Collected::kDropped);
    Status noted =
        history_.log().update([&](const store::State& state) -> Result<format::Transaction> {
          format::Transaction transaction = {record_};
          format::Counters counters = state.counters;
          counters.next_segment = std::max(counters.next_segment, writer->next_segment());
          transaction.emplace_back(counters);
          for (const auto& segment : writer->records()) transaction.emplace_back(segment);
          if (plan_.is_device) {
            format::DiskRecord disk = *state.disk(locked_.disk.number);
            disk.base_snapshot = record_.number;
            disk.device_bytes = plan_.geometry.device_bytes;
            transaction.emplace_back(std::move(disk));
          }
          return transaction;
        });
    // If the record may be in the log, its segments must stay.
    if (noted || history_.log().in_doubt()) writer->keep();
    BLKREWIND_TRY(noted);
    tracking.commit();
    return outcome;
  }

  Result<pipeline::ScanOutcome> scan_file(io::File& file,
                                          const std::optional<format::SnapshotRecord>& parent,
                                          pipeline::CandidateSource* candidates,
                                          store::SegmentWriter& writer, const Monitor& monitor) {
    pipeline::ScanRequest request;
    request.device = &file;
    request.geometry = plan_.geometry;
    request.means = means_;
    if (parent) request.references.push_back(*parent);
    request.candidates = candidates;
    request.writer = &writer;
    return pipeline::scan_device(history_, request, monitor);
  }

  // A clone of the image, which is scanned once nobody has to wait for that any more. What a
  // tracker says is of another moment.
  Result<pipeline::ScanOutcome> scan_clone(const std::optional<format::SnapshotRecord>& parent,
                                           store::SegmentWriter& writer, const Monitor& monitor) {
    if (plan_.change_source != ChangeSource::kAuto && plan_.change_source != ChangeSource::kScan) {
      return fail(Errc::kPrecondition, "an image file that is in use is scanned",
                  Remedy(Verb::kRepeat, "let it be", {{Parameter::kChangeSource, "auto"}}));
    }
    const auto look = [&] { return look_at_users(); };
    BLKREWIND_ASSIGN(StillImage still, clone_in_use(history_.env(), *plan_.source.file, *freezer_,
                                                    look, plan_.online));
    take_end(std::move(still.outcome));
    BLKREWIND_ASSIGN(pipeline::ScanOutcome outcome,
                     scan_file(*still.file, parent, nullptr, writer, monitor));
    last_pass_bytes_ = outcome.scanned_bytes;
    return outcome;
  }

  [[nodiscard]] Result<Still> look_at_users() const {
    return survey(*freezer_, {plan_.source.info}, {history_.folder()});
  }

  void take_end(InUseOutcome end) {
    record_.capture = end.capture;
    frozen_ = std::move(end.frozen);
  }

  Result<pipeline::ScanOutcome> scan_in_use(const std::optional<format::SnapshotRecord>& parent,
                                            pipeline::CandidateSource* candidates,
                                            store::SegmentWriter& writer,
                                            std::unique_ptr<track::Watch> watch,
                                            const Monitor& monitor) {
    LiveSource source{
        &history_, plan_.source.file.get(), plan_.geometry, means_, parent, candidates, &writer};
    source.means.buffer_bytes = std::min(means_.buffer_bytes, kBufferBytesInUse);
    std::vector<std::unique_ptr<LiveCopy>> copies;
    BLKREWIND_ASSIGN(copies.emplace_back(),
                     LiveCopy::make(source, std::move(watch), kHeldBytesMax));
    LiveCopy& copy = *copies.front();
    const auto look = [&] { return survey(*freezer_, {plan_.source.info}, {history_.folder()}); };
    BLKREWIND_ASSIGN(InUseOutcome end,
                     blkrewind::scan_in_use(copies, *freezer_, look, plan_.online, monitor));
    record_.capture = end.capture;
    frozen_ = std::move(end.frozen);
    passes_ = copy.passes();
    last_pass_bytes_ = copy.marked_bytes();
    return copy.outcome();
  }

  // Before the trackers, so that nothing lies between the two.
  Result<std::unique_ptr<track::Watch>> begin_watch() {
    if (!plan_.in_use() || trackers_ == nullptr ||
        plan_.source.info.kind == host::DeviceKind::kFile) {
      return std::unique_ptr<track::Watch>();
    }
    auto watch = trackers_->start_watch(tracked_disk(
        store_, locked_.disk, plan_.source.info.real_path, plan_.geometry.device_bytes));
    if (watch || watch.error().code != Errc::kUnsupported) return watch;
    log::info("without marks: " + watch.error().to_string());
    return std::unique_ptr<track::Watch>();
  }

  Result<Tracking> begin_tracking() {
    if (!plan_.is_device) return Tracking();
    return Tracking::begin(trackers_, store_, locked_, plan_.source.info, plan_.change_source,
                           track::TrackUse::kRead);
  }

  Status recheck() {
    if (plan_.is_stream()) return {};
    if (!plan_.is_device) return recheck_free(history_.env(), plan_.source);
    return recheck_device(history_.env(), history_.folder(), locked_.disk, plan_.source);
  }

  // Cancelled or refused: leaves no trace. Failed: a failed record stays until it is deleted, so
  // that the caller can see the cause. If it cannot be written now, the next operation on the disk
  // writes it.
  void give_up(const Error& error) {
    if (error.code == Errc::kCancelled || error.code == Errc::kPrecondition ||
        error.code == Errc::kInvalidArgument) {
      (void)store::forget_unfinished(history_, record_.number);
      return;
    }
    (void)history_.log().update(
        [&](const store::State& state) -> Result<format::Transaction> {
          const auto* found = state.snapshot(record_.number);
          if (found == nullptr || found->state != SnapshotState::kProgressing) {
            return format::Transaction{};
          }
          format::SnapshotRecord failed = *found;
          failed.state = SnapshotState::kFailed;
          failed.failure = error.to_string();
          return format::Transaction{failed};
        },
        store::Room::kFrees);
  }

  store::Store& store_;
  track::Trackers* const trackers_;
  freeze::Freezer* const freezer_;
  const LockedDisk locked_;
  store::History& history_;
  const SnapshotPlan plan_;
  const pipeline::Means means_;
  format::SnapshotRecord record_;
  bool announced_ = false;  // and not made yet
  // Of a device in use.
  std::vector<std::string> frozen_;
  std::uint32_t passes_ = 1;
  std::uint64_t last_pass_bytes_ = 0;
};

Result<AnnouncedSnapshot> announce(store::Store& store, track::Trackers* trackers,
                                   freeze::Freezer* freezer, LockedDisk locked, SnapshotPlan plan,
                                   const pipeline::Means& means) {
  auto maker = std::make_shared<SnapshotMaker>(store, trackers, freezer, std::move(locked),
                                               std::move(plan), means);
  BLKREWIND_TRY(maker->announce());
  return AnnouncedSnapshot{maker->id(),
                           [maker](const Monitor& monitor) { return maker->make(monitor); }};
}

Status check_chunk_bytes(const format::DiskRecord& disk, bool given, std::uint32_t chunk_bytes) {
  if (!given || chunk_bytes == disk.chunk_bytes) return {};
  return fail(Errc::kInvalidArgument,
              "disk " + disk.id + " was registered with chunks of " +
                  format_bytes(disk.chunk_bytes) + ", not " + format_bytes(chunk_bytes),
              Remedy("leave the chunk size out")
                  .or_else({Verb::kDiskForget,
                            "forget the disk and register it again",
                            {{Parameter::kTarget, disk.id}, {Parameter::kWithSnapshots, {}}}}));
}

// What is imported: an image file or device, or a stream. Its size is the disk's.
Result<OpenedDevice> open_imported(io::Env& env, const std::string& path,
                                   const format::DiskRecord& disk, bool raw,
                                   const Monitor& monitor) {
  BLKREWIND_ASSIGN(auto stream, env.open_stream(path, disk.device_bytes));
  if (stream) {
    stream->set_cancel(monitor.cancel);
    if (!raw) BLKREWIND_TRY(check_raw(*stream));
    OpenedDevice opened;
    opened.info.path = path;
    opened.info.size_bytes = disk.device_bytes;
    opened.info.modified_at = now_seconds();
    opened.file = std::move(stream);
    return opened;
  }
  BLKREWIND_ASSIGN(OpenedDevice opened, open_image(env, path));
  if (!raw) BLKREWIND_TRY(check_raw(env, opened.info));
  if (opened.info.size_bytes == disk.device_bytes) return opened;
  return fail(Errc::kInvalidArgument,
              path + " has " + std::to_string(opened.info.size_bytes) + " bytes, but disk " +
                  disk.id + " has " + std::to_string(disk.device_bytes),
              "import a raw image of exactly the disk's size");
}

// Exclusively, or, where others use it, beside them.
Result<OpenedDevice> open_source(io::Env& env, const std::string& store,
                                 const format::DiskRecord& disk, const std::string& path,
                                 const OnlineOptions& online, bool can_freeze) {
  if (online.in_use != InUse::kOnline) {
    auto device = open_device(env, store, disk, path, DeviceUse::kRead);
    const bool may_be_in_use = !device && (device.error().code == Errc::kPrecondition ||
                                           device.error().code == Errc::kBusy);
    if (!may_be_in_use || online.in_use == InUse::kOffline || !can_freeze) {
      return device;
    }
    auto shared = open_in_use(env, store, disk, path);
    // If nobody uses it, that was not why it could not be opened. An image file on most file
    // systems has to be free.
    const bool is_of_no_use =
        shared && (shared->info.used_by.empty() || (shared->info.kind == host::DeviceKind::kFile &&
                                                    !can_clone(env, *shared->file)));
    return is_of_no_use ? std::move(device) : std::move(shared);
  }
  if (!can_freeze) {
    return fail(Errc::kUnsupported, "snapshots of devices in use are not available here",
                "take the snapshot while nothing uses the device");
  }
  return open_in_use(env, store, disk, path);
}

}  // namespace

Result<AnnouncedSnapshot> Operations::announce_snapshot(format::DiskNumber number,
                                                        const std::string& path,
                                                        const SnapshotOptions& options,
                                                        const NewNotes& notes) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kRefuse));
  if (!notes.token.empty()) {
    // The same request may have been executed before the disk was locked.
    BLKREWIND_ASSIGN(const auto used, used_token(number, notes.token, notes.parameters, notes.now));
    if (used) return AnnouncedSnapshot{used->snapshot_id, nullptr};
  }
  BLKREWIND_TRY(check_chunk_bytes(locked.disk, options.chunk_bytes_given, options.chunk_bytes));
  BLKREWIND_ASSIGN(OpenedDevice device, open_source(parts_->env, store_path(), locked.disk, path,
                                                    options.online, parts_->freezer != nullptr));
  if (device.info.size_bytes == 0) {
    return fail(Errc::kPrecondition, path + " is empty now",
                "put the medium back into it, or bring the image back");
  }
  if (device.use == DeviceUse::kInUse) {
    // Refused now rather than when everything was read; looked at again then.
    BLKREWIND_TRY(survey(*parts_->freezer, {device.info}, {store_path()}));
  }
  remember_seen(store, locked, device);
  SnapshotPlan plan;
  plan.name = options.name;
  plan.description = options.description;
  plan.created_at = now_seconds();
  plan.geometry = {device.info.size_bytes, locked.disk.chunk_bytes};
  plan.recognised_by = device.recognised_by;
  plan.source = std::move(device);
  plan.change_source = options.change_source;
  plan.notes = notes;
  plan.online = options.online;
  return announce(store, parts_->trackers, parts_->freezer, std::move(locked), std::move(plan),
                  parts_->means);
}

Result<SnapshotReceipt> Operations::snapshot(format::DiskNumber number, const std::string& path,
                                             const SnapshotOptions& options,
                                             const Monitor& monitor) {
  BLKREWIND_ASSIGN(const auto announced, announce_snapshot(number, path, options));
  return announced.make(monitor);
}

Result<SnapshotReceipt> Operations::import_image(format::DiskNumber number, const std::string& file,
                                                 const ImportOptions& options,
                                                 const Monitor& monitor) {
  store::Store& store = *parts_->store;
  BLKREWIND_ASSIGN(LockedDisk locked, lock_disk(store, number, Pending::kRefuse));
  BLKREWIND_TRY(check_chunk_bytes(locked.disk, options.chunk_bytes_given, options.chunk_bytes));
  BLKREWIND_ASSIGN(OpenedDevice image,
                   open_imported(parts_->env, file, locked.disk, options.raw, monitor));
  SnapshotPlan plan;
  plan.kind = SnapshotKind::kImport;
  plan.name = options.name;
  plan.description = options.description;
  plan.created_at = options.created_at.value_or(image.info.modified_at);
  plan.source = std::move(image);
  plan.geometry = {locked.disk.device_bytes, locked.disk.chunk_bytes};
  plan.is_device = false;
  BLKREWIND_ASSIGN(const auto announced, announce(store, nullptr, nullptr, std::move(locked),
                                                  std::move(plan), parts_->means));
  return announced.make(monitor);
}

}  // namespace blkrewind
