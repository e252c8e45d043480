// Makes another device or file a disk whose first snapshot is that of a snapshot of this disk.
//
//   1. to 4. of store/holds.h: the disk exists, and shares everything with the snapshot
//   5. an ordinary rollback of the new disk to its first snapshot
//
// If 5 ends without an intent, nothing was written or what was there is back: the disk is forgotten
// again. With an intent it stays, and its rollback is resumed or undone as any other; unless its
// device is a file that was made for it, which holds nothing that is worth coming back to:
//
//   6. under its lease: the file is removed, and its folder flushed
//   7. log of the disk: no intent; then its snapshots are deleted
//   8. steps 5 and 6 of store/holds.h: the disk and the hold are gone
//
// After a power cut before 6 it is an interrupted clone; after 6 one whose device is gone, to be
// forgotten as any disk is; after 7 a disk without a rollback. The file goes first, so that none is
// left that looks complete and of which no disk says that it is not.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "base/remedies.h"
#include "operations/operations_parts.h"
#include "operations/raw_image.h"
#include "operations/recognise.h"
#include "store/grown_tree.h"
#include "store/holds.h"

namespace blkrewind {
namespace {

using format::DiskNumber;
using format::SnapshotRecord;
using format::SnapshotState;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// A target that did not exist, and does not exist again unless it is kept.
class NewFile {
 public:
  // Not made, if there is something at the path.
  static Result<NewFile> make(io::Env& env, const std::string& store_path, const std::string& path,
                              std::uint64_t size_bytes) {
    NewFile made(env, path);
    BLKREWIND_ASSIGN(const bool there, env.exists(path));
    if (there) return made;
    const std::string folder = folder_of(path);
    if (path.starts_with("/dev/") && !path.starts_with("/dev/shm/")) {
      return fail(Errc::kNotFound, "there is no device " + path,
                  "name a device that is attached, or a file");
    }
    if (is_in_store(env, store_path, folder)) {
      return fail(Errc::kPrecondition, path + " would be a file in the store " + store_path,
                  "name a file outside of the store");
    }
    BLKREWIND_ASSIGN(const auto file,
                     env.open(path, {.access = io::Access::kReadWrite, .create_new = true}));
    made.made_ = true;
    BLKREWIND_ASSIGN(made.id_, env.identify(path));
    BLKREWIND_TRY(file->truncate(size_bytes));
    BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
    BLKREWIND_TRY(io::flush_now(*queue, *file));
    BLKREWIND_TRY(env.sync_directory(folder));
    return made;
  }
  NewFile(NewFile&& other) noexcept
      : env_(other.env_),
        path_(std::move(other.path_)),
        made_(std::exchange(other.made_, false)),
        id_(other.id_) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (made_) (void)remove();
  }

  [[nodiscard]] bool made() const { return made_; }
  void keep() { made_ = false; }
  // For good, also after a power cut. A file that has taken its place is left alone.
  [[nodiscard]] Status remove() {
    BLKREWIND_ASSIGN(const bool there, is_there());
    if (there) BLKREWIND_TRY(env_.remove(path_));
    made_ = false;
    return env_.sync_directory(folder_of(path_));
  }

 private:
  NewFile(io::Env& env, std::string path) : env_(env), path_(std::move(path)) {}
  // Nothing, or another file: it was moved or removed meanwhile.
  [[nodiscard]] Result<bool> is_there() {
    const auto now = env_.identify(path_);
    if (!now && now.error().code != Errc::kNotFound) return fail(now.error());
    return now && *now == id_;
  }

  io::Env& env_;
  std::string path_;
  bool made_ = false;
  host::FileId id_;
};

Status check_size(const host::DeviceInfo& info, const SnapshotRecord& snapshot) {
  if (info.size_bytes >= snapshot.device_bytes && info.size_bytes <= kMaxDeviceBytes) return {};
  return fail(Errc::kPrecondition,
              info.path + " has " + std::to_string(info.size_bytes) + " bytes, but snapshot " +
                  snapshot.id + " has " + std::to_string(snapshot.device_bytes),
              "name a device or file that is at least as large, or a file that does not exist yet");
}

Status check_unregistered(const Recognised& found, const host::DeviceInfo& info,
                          const SnapshotRecord& snapshot) {
  const format::DiskRecord& disk = found.disk;
  const std::string what = info.path + " is disk " + disk.id + " already, proven by " + found.by;
  if (disk.number == snapshot.disk) {
    return fail(Errc::kAlreadyExists, what + ", and the snapshot is its own",
                Remedy(Verb::kRollback, "roll it back",
                       {{Parameter::kTarget, info.path}, {Parameter::kSnapshot, snapshot.id}}));
  }
  return fail(Errc::kAlreadyExists, what,
              Remedy("name another device or file")
                  .or_else({Verb::kDiskForget,
                            "forget that disk and its snapshots first",
                            {{Parameter::kTarget, disk.id}, {Parameter::kWithSnapshots, {}}}}));
}

// Of a device that is to become a disk: what a rollback would refuse, before anything is recorded.
Result<host::DeviceInfo> check_target(store::Store& store, io::Env& env,
                                      const CloneRequest& request, const SnapshotRecord& snapshot) {
  BLKREWIND_ASSIGN(const host::DeviceInfo info, look_at(env, request.path));
  BLKREWIND_ASSIGN(const auto known, recognise(env, *store.disks(), info));
  if (known) BLKREWIND_TRY(check_unregistered(*known, info, snapshot));
  BLKREWIND_TRY(check_size(info, snapshot));
  if (!request.raw) BLKREWIND_TRY(check_raw(env, info));
  format::DiskRecord as_disk;
  as_disk.path = info.real_path;
  as_disk.kind = info.kind;
  as_disk.device_bytes = info.size_bytes;
  as_disk.identity = info.identity;
  BLKREWIND_TRY(check_device(env, store.folder(), as_disk, info, DeviceUse::kPlan));
  return info;
}

// What the store gets of the new disk.
class CloneMaker {
 public:
  // `origin`: the locked disk of `snapshot`. `device_bytes`: of the target.
  CloneMaker(store::Store& store, const LockedDisk& origin, SnapshotRecord snapshot,
             std::string name, std::uint64_t device_bytes)
      : store_(store),
        origin_(origin),
        snapshot_(std::move(snapshot)),
        name_(std::move(name)),
        device_bytes_(device_bytes) {}

  [[nodiscard]] store::Store::BeginDisk begin() {
    return [this](DiskNumber number, std::uint64_t epoch) { return begin(number, epoch); };
  }
  // Whatever came of it, unless the disk was added.
  void settle(bool added) {
    // Where the index may name the disk, its segments and its hold have to stay.
    if (writer_ && (added || store_.index().in_doubt())) writer_->keep();
    if (added || store_.index().in_doubt()) return;
    if (const Status settled = store::settle_holds(store_, *origin_.history); !settled) {
      log::info("a hold is dropped later: " + settled.error().to_string());
    }
  }

  [[nodiscard]] const SnapshotRecord& first() const { return first_; }
  [[nodiscard]] std::uint64_t stored_bytes() const {
    std::uint64_t bytes = 0;
    if (writer_) {
      for (const auto& segment : writer_->records()) bytes += segment.live_bytes;
    }
    return bytes;
  }

 private:
  Result<store::Store::Beginning> begin(DiskNumber number, std::uint64_t epoch) {
    BLKREWIND_TRY(hold(number));
    const auto state = origin_.history->state();
    format::OriginRecord origin;
    origin.disk = number;
    origin.snapshot = snapshot_.number;
    origin.snapshot_id = snapshot_.id;
    if (const auto* own = state->origins.get(snapshot_.disk)) origin.shares = own->shares;
    origin.shares.push_back({snapshot_.disk, state->counters.next_segment});

    writer_ = std::make_unique<store::SegmentWriter>(store_.home(), number, store_.header(), epoch,
                                                     origin.own_from());
    BLKREWIND_TRY(make_first(number));
    store::Store::Beginning beginning;
    beginning.log = {origin, first_, format::Counters{.next_segment = writer_->next_segment()}};
    for (const auto& segment : writer_->records()) beginning.log.emplace_back(segment);
    beginning.index = {origin};
    // Another owner of the snapshot's disk would have dropped the hold.
    beginning.confirm = [this] { return origin_.history->log().make_last_record_durable(); };
    return beginning;
  }

  Status hold(DiskNumber clone) {
    return origin_.history->log().update(
        [&](const store::State& state) -> Result<format::Transaction> {
          BLKREWIND_TRY(find_accomplished(state, snapshot_.number));
          return format::Transaction{format::HoldRecord{clone, snapshot_.number}};
        });
  }

  Status make_first(DiskNumber number) {
    const store::Tree tree = store::tree_of(snapshot_);
    const format::Geometry geometry{device_bytes_, snapshot_.chunk_bytes};
    store::History& history = *origin_.history;
    BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
    BLKREWIND_ASSIGN(
        const store::GrownTree grown,
        store::grow_tree(history.files(), history.secret(), tree, geometry, *writer_, *queue));
    BLKREWIND_TRY(writer_->seal(*queue));
    first_.number = 1;
    first_.disk = number;
    first_.id = new_id("s-", number);
    first_.name = name_;
    first_.description = "clone of " + snapshot_.id;
    first_.state = SnapshotState::kAccomplished;
    first_.damaged = snapshot_.damaged;
    first_.failure = snapshot_.failure;  // of an undo snapshot: what could not be read
    first_.created_at = now_seconds();
    first_.device_bytes = device_bytes_;
    first_.chunk_bytes = snapshot_.chunk_bytes;
    first_.root = grown.root;
    first_.root_digest = format::root_digest(history.secret(), geometry, grown.root.digest);
    first_.stored_bytes = grown.stored_bytes;
    const std::uint64_t held = snapshot_.device_bytes - snapshot_.zero_bytes;
    first_.zero_bytes = device_bytes_ - held - grown.lengthened_bytes;
    return {};
  }

  store::Store& store_;
  const LockedDisk& origin_;
  const SnapshotRecord snapshot_;
  const std::string name_;
  const std::uint64_t device_bytes_;
  std::unique_ptr<store::SegmentWriter> writer_;
  SnapshotRecord first_;
};

// Steps 1 to 4.
struct MadeClone {
  format::DiskRecord disk;
  SnapshotRecord first;
  std::string origin_disk_id;
  std::string origin_snapshot_id;
  std::uint64_t stored_bytes = 0;
};
Result<MadeClone> make_clone(store::Store& store, io::Env& env, const CloneRequest& request,
                             const LockedDisk& origin, const SnapshotRecord& snapshot) {
  BLKREWIND_ASSIGN(const host::DeviceInfo info, check_target(store, env, request, snapshot));
  CloneMaker maker(store, origin, snapshot, request.name, info.size_bytes);
  auto added = add_device(store, info, snapshot.chunk_bytes, false, maker.begin());
  maker.settle(added && added->added);
  if (!added) return fail(std::move(added).error());
  if (!added->added) {
    return fail(Errc::kBusy, "another process has just made " + info.path + " a disk of the store",
                look_into_list("see what it is now", info.path));
  }
  warn_of_known_file(env, *store.disks(), info);
  return MadeClone{std::move(added->record), maker.first(), origin.disk.id, snapshot.id,
                   maker.stored_bytes()};
}

// No: nothing, or another file. A number alone does not tell, which a file system gives again.
Result<bool> is_device_of(io::Env& env, const format::DiskRecord& disk, const std::string& path) {
  const auto info = look_at(env, path);
  if (!info && info.error().code == Errc::kNotFound) return false;
  if (!info) return fail(info.error());
  return is_certain(judge(*info, disk).verdict);
}

// There is nothing to be resumed or undone any more.
Error taken_back(Error error, const std::string& path) {
  error.message += "; the clone was taken back, and of its new file " + path + " nothing is left";
  if (error.code == Errc::kCancelled) {
    error.remedy = {};
  } else if (error.code == Errc::kNoSpace) {
    error.remedy = Remedy("make room on the file system of " + path).and_then("clone again");
  } else {
    error.remedy = Remedy("see that the file system of " + path + " and the store work")
                       .and_then("clone again");
  }
  return error;
}

Error only_disk_left(Error error, const std::string& path, const std::string& disk_id) {
  error.message +=
      "; of the new file " + path + " nothing is left, but its disk " + disk_id + " stays";
  error.remedy = Remedy("see that the medium of the store has room and works")
                     .and_then({Verb::kDiskForget,
                                "forget the disk",
                                {{Parameter::kTarget, disk_id}, {Parameter::kWithSnapshots, {}}}});
  return error;
}

}  // namespace

Result<CloneReceipt> Operations::clone(const CloneRequest& request, const RestoreClone& restore,
                                       const Monitor& monitor) {
  const pipeline::Stopwatch watch;
  store::Store& store = *parts_->store;
  if (is_valid_id("d-", request.path)) {
    return fail(Errc::kInvalidArgument, request.path + " is the id of a disk",
                "name a device or a file: a clone becomes a disk of its own");
  }
  // Other clones of the snapshot want it as well, for as short a time as this one.
  BLKREWIND_ASSIGN(auto lease,
                   wait_for_lease(store, request.snapshot.disk, parts_->patience, monitor));
  std::optional<LockedDisk> origin;
  BLKREWIND_ASSIGN(origin,
                   lock_disk(store, request.snapshot.disk, Pending::kAllow, std::move(lease)));
  BLKREWIND_ASSIGN(const auto snapshot, find_accomplished(*origin->state, request.snapshot.number));
  BLKREWIND_ASSIGN(NewFile file,
                   NewFile::make(parts_->env, store.folder(), request.path, snapshot.device_bytes));
  auto outcome = make_clone(store, parts_->env, request, *origin, snapshot);
  // Where the index may name the disk, its file has to stay.
  if (!outcome && store.index().in_doubt()) file.keep();
  BLKREWIND_ASSIGN(const MadeClone made, std::move(outcome));
  origin.reset();
  const auto restored = [&]() -> Result<RollbackReceipt> {
    BLKREWIND_ASSIGN(const auto view, disk(made.disk.number));
    if (!view) return fail(Errc::kNotFound, "the clone was removed from the store");
    return restore(*view, made.first.number);
  }();
  if (!restored) {
    Error error = restored.error();
    const RemoveFile remove = [&]() -> Status {
      BLKREWIND_ASSIGN(const bool there, is_device_of(parts_->env, made.disk, request.path));
      if (there) return file.remove();
      file.keep();
      return {};
    };
    const bool own = file.made();
    const CloneLeft left =
        drop_clone(made.disk.number, made.first.number, own ? remove : RemoveFile());
    if (left == CloneLeft::kAll && own && !file.made()) {
      error = only_disk_left(std::move(error), request.path, made.disk.id);
    }
    if (left == CloneLeft::kAll) file.keep();
    if (left == CloneLeft::kNothingOfBegun) error = taken_back(std::move(error), request.path);
    if (left != CloneLeft::kAll && error.code == Errc::kIntegrity) {
      error.remedy = Remedy(Verb::kVerify, "see which snapshots are intact, and clone one of them");
    }
    return fail(std::move(error).while_doing("cloning snapshot " + snapshot.id));
  }
  CloneReceipt receipt;
  receipt.disk_id = made.disk.id;
  receipt.snapshot_id = made.first.id;
  receipt.origin_disk_id = made.origin_disk_id;
  receipt.origin_snapshot_id = made.origin_snapshot_id;
  receipt.file_created = file.made();
  receipt.stored_bytes = made.stored_bytes;
  receipt.rollback = *restored;
  file.keep();
  receipt.elapsed_seconds = watch.seconds();
  return receipt;
}

// `remove`: the file that was made for it, if there is one.
CloneLeft Operations::drop_clone(DiskNumber number, format::SnapshotNumber first,
                                 const RemoveFile& remove) {
  bool begun = false;
  {
    // No other process resumes or undoes its rollback from here until the file is gone.
    const auto lease = hold_disk(number);
    if (!lease && lease.error().code == Errc::kNotFound) return CloneLeft::kNothing;
    const auto view = lease ? disk(number) : Result<std::optional<DiskView>>(std::nullopt);
    if (!lease || !view || !*view || in_doubt(number)) return CloneLeft::kAll;
    if ((*view)->disk.base_snapshot == first || !check_not_held(number)) return CloneLeft::kAll;
    begun = (*view)->intent.has_value();
    if (begun && !remove) return CloneLeft::kAll;
    if (remove && !remove()) return CloneLeft::kAll;
  }
  const auto drop = [&]() -> Status {
    BLKREWIND_TRY(abandon_rollback(number));
    BLKREWIND_ASSIGN(const auto view, disk(number));
    if (!view) return {};
    for (const SnapshotRecord& snapshot : view->snapshots) {
      BLKREWIND_TRY(remove_snapshot({number, snapshot.number}, {}));
    }
    return forget_disk(number);
  };
  const Status dropped = drop();
  if (dropped) return begun ? CloneLeft::kNothingOfBegun : CloneLeft::kNothing;
  log::warning("the clone stays registered: " + dropped.error().to_string());
  return CloneLeft::kAll;
}

}  // namespace blkrewind
