#include "store/home/local_home.h"

#include <charconv>
#include <utility>

#include "store/home/local_log.h"
#include "store/home/read_only_store.h"
#include "store/home/store_file.h"

namespace blkrewind::store {
namespace {

class LockLease final : public HomeLease {
 public:
  explicit LockLease(std::unique_ptr<io::Lock> lock) : lock_(std::move(lock)) {}
  // One owner at a time, and none that lost the lock and lives on: the owner before has ended.
  [[nodiscard]] std::uint64_t epoch(const Head& head) const override { return head.epoch + 1; }

 private:
  std::unique_ptr<io::Lock> lock_;
};

Status unless_gone(Status removed) {
  return !removed && removed.error().code == Errc::kNotFound ? Status{} : removed;
}

}  // namespace

LocalHome::LocalHome(io::Env& env, std::unique_ptr<io::Env> folder, LocalLayout layout)
    : folder_(std::move(folder)), env_(folder_ ? *folder_ : env), layout_(std::move(layout)) {}

Result<format::StoreHeader> LocalHome::read_header() { return read_format_file(env_, layout_); }

Result<std::unique_ptr<HomeLog>> LocalHome::open_log(format::DiskNumber disk, const LogKey& key) {
  // Listing the folder checks it: later a refusal could be taken for missing segments.
  if (disk != format::kIndexLog) BLKREWIND_TRY(env_.exists(layout_.segment(disk, 1)));
  return LocalLog::open(env_, layout_, disk, key);
}

Status LocalHome::check_own_log(format::DiskNumber disk, const LogKey& key) {
  return LocalLog::check_own(env_, layout_, disk, key);
}

Status LocalHome::create_log(format::DiskNumber disk, const LogKey& key) {
  BLKREWIND_TRY(read_only_store(env_.make_directory(layout_.disk(disk))));
  BLKREWIND_TRY(env_.make_directory(layout_.segments(disk)));
  BLKREWIND_TRY(LocalLog::create(env_, layout_, disk, key));
  BLKREWIND_TRY(env_.sync_directory(layout_.disk(disk)));
  return env_.sync_directory(layout_.disks());
}

Status LocalHome::remove_disk(format::DiskNumber disk) {
  BLKREWIND_TRY(for_each_segment(
      disk, [&](format::SegmentId id) { return unless_gone(remove_segment(disk, id)); }));
  const std::string log = layout_.log(disk);
  for (const std::string& name :
       {LocalLayout::temporary(log), log, layout_.segments(disk), layout_.disk(disk)}) {
    BLKREWIND_TRY(unless_gone(env_.remove(name)));
  }
  return {};
}

Status LocalHome::for_each_disk(const std::function<Status(format::DiskNumber)>& visit) {
  return for_each_number(env_, layout_.disks(), visit);
}

Result<std::unique_ptr<HomeLease>> LocalHome::take_lease(format::DiskNumber disk,
                                                         io::LockMode mode) {
  BLKREWIND_ASSIGN(auto lock, read_only_store(env_.try_lock(layout_.format(),
                                                            LocalLayout::lease_lock(disk), mode)));
  if (lock == nullptr) return std::unique_ptr<HomeLease>();
  return std::make_unique<LockLease>(std::move(lock));
}

Result<bool> LocalHome::has_owner(format::DiskNumber disk) {
  return env_.is_locked(layout_.format(), LocalLayout::lease_lock(disk));
}

Result<std::unique_ptr<io::Lock>> LocalHome::hold_snapshot(format::DiskNumber disk,
                                                           format::SnapshotNumber snapshot,
                                                           io::LockMode mode) {
  return env_.try_lock(layout_.format(), LocalLayout::snapshot_lock(disk, snapshot), mode);
}

std::string LocalHome::holders(format::DiskNumber disk, format::SnapshotNumber snapshot) {
  return env_.lock_holders(layout_.format(), LocalLayout::snapshot_lock(disk, snapshot));
}

Result<std::unique_ptr<io::File>> LocalHome::create_segment(format::DiskNumber disk,
                                                            format::SegmentId id) {
  return env_.open(layout_.segment(disk, id),
                   {.access = io::Access::kReadWrite, .create_new = true});
}

Result<std::unique_ptr<io::File>> LocalHome::open_segment(format::DiskNumber disk,
                                                          format::SegmentId id, io::Access access) {
  return open_store_file(env_, layout_.segment(disk, id), {.access = access});
}

Status LocalHome::remove_segment(format::DiskNumber disk, format::SegmentId id) {
  return env_.remove(layout_.segment(disk, id));
}

Result<std::uint64_t> LocalHome::segment_bytes(format::DiskNumber disk, format::SegmentId id) {
  return env_.allocated_bytes(layout_.segment(disk, id));
}

Status LocalHome::for_each_segment(format::DiskNumber disk,
                                   const std::function<Status(format::SegmentId)>& visit) {
  return for_each_number(env_, layout_.segments(disk), visit);
}

Status LocalHome::sync_segments(format::DiskNumber disk) {
  return env_.sync_directory(layout_.segments(disk));
}

Status for_each_number(io::Env& env, const std::string& folder,
                       const std::function<Status(std::uint32_t)>& visit) {
  const auto names = env.list_directory(folder);
  if (!names && names.error().code == Errc::kNotFound) return {};
  if (!names) return fail(names.error());
  for (const std::string& name : *names) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc{} || end != name.data() + name.size() || number == 0) continue;
    BLKREWIND_TRY(visit(number));
  }
  return {};
}

}  // namespace blkrewind::store
