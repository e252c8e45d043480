#include "support/memory_home.h"

#include <charconv>
#include <utility>

namespace blkrewind::sim {
namespace {

using store::Appended;
using store::Head;
using store::NotAppended;

class MemoryLease final : public store::HomeLease {
 public:
  MemoryLease(std::shared_ptr<MemoryProcess> process, format::DiskNumber disk, LeaseGrant grant)
      : process_(std::move(process)), disk_(disk), grant_(grant) {}
  ~MemoryLease() override { process_->pool->release(disk_, grant_.token); }
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;

  [[nodiscard]] std::uint64_t epoch(const Head& /*head*/) const override { return grant_.epoch; }

 private:
  const std::shared_ptr<MemoryProcess> process_;
  const format::DiskNumber disk_;
  const LeaseGrant grant_;
};

class MemoryHold final : public io::Lock {
 public:
  MemoryHold(std::shared_ptr<MemoryProcess> process, std::uint64_t token)
      : process_(std::move(process)), token_(token) {}
  ~MemoryHold() override { process_->pool->end_hold(token_); }
  MemoryHold(const MemoryHold&) = delete;
  MemoryHold& operator=(const MemoryHold&) = delete;

 private:
  const std::shared_ptr<MemoryProcess> process_;
  const std::uint64_t token_;
};

tl::unexpected<store::AppendFailure> refused(Error error) {
  return not_appended(NotAppended::kRefused, std::move(error));
}

// The numbers among the names of a folder, which may be missing.
Status for_each_number(io::Env& env, const std::string& folder,
                       const std::function<Status(std::uint32_t)>& visit) {
  const auto names = env.list_directory(folder);
  if (!names && names.error().code == Errc::kNotFound) return {};
  if (!names) return fail(names.error());
  for (const std::string& name : *names) {
    std::uint32_t number = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, number).ptr == end) BLKREWIND_TRY(visit(number));
  }
  return {};
}

Status unless(Errc expected, Status status) {
  return !status && status.error().code == expected ? Status{} : status;
}

}  // namespace

Status MemoryProcess::alive() const {
  if (!dead && !pool->machine().power_is_off()) return {};
  return fail(Errc::kIo, "the pool cannot be reached: the power is off");
}

MemoryLog::MemoryLog(std::shared_ptr<MemoryProcess> process, format::DiskNumber disk)
    : process_(std::move(process)), disk_(disk), client_(pool().new_client()) {}

std::string MemoryLog::name() const {
  return "log " + std::to_string(disk_) + " of " + process_->pool->folder();
}

Status MemoryLog::read(Head& head, const Reader& reader) {
  BLKREWIND_TRY(process_->alive());
  BLKREWIND_ASSIGN(const LogPage page, pool().read(disk_, head, withheld()));
  if (page.restarts) reader.restart();
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    BLKREWIND_TRY(reader.record(*page.records[i]));
    head = page.heads[i];
  }
  head = page.end;
  return {};
}

Appended MemoryLog::send(const LogChange& change) { return pool().carry_out(change); }

Appended MemoryLog::change(LogChange change) {
  if (Status alive = process_->alive(); !alive) return refused(std::move(alive).error());
  if (Status counted = pool().machine().sync_directory(pool().folder()); !counted) {
    return refused(std::move(counted).error());
  }
  change.log = disk_;
  change.client = client_;
  change.number = ++changes_;
  return send(change);
}

Appended MemoryLog::append(const Head& expected, std::uint64_t epoch,
                           std::span<const std::byte> record, const store::Need& /*need*/) {
  LogChange append{.expected = expected, .epoch = epoch};
  append.records.push_back(std::make_shared<std::vector<std::byte>>(record.begin(), record.end()));
  return change(std::move(append));
}

Appended MemoryLog::replace(const Head& expected, std::uint64_t epoch, const store::Need& /*need*/,
                            const std::function<Status(const Sink&)>& write) {
  LogChange replace{.expected = expected, .epoch = epoch, .replaces = true};
  Status written = write([&](std::span<const std::byte> record) -> Status {
    replace.records.push_back(
        std::make_shared<std::vector<std::byte>>(record.begin(), record.end()));
    return {};
  });
  if (!written) return refused(std::move(written).error());
  return change(std::move(replace));
}

Appended MemoryLog::make_durable(const Head& head, std::uint64_t epoch) {
  if (Status alive = process_->alive(); !alive) return refused(std::move(alive).error());
  const auto rest = pool().read(disk_, head, 0);
  if (!rest) return refused(rest.error());
  if (epoch < rest->end.epoch) {
    return not_appended(NotAppended::kFenced, Errc::kBusy, "the " + name() + " has another owner");
  }
  if (!rest->restarts && rest->records.empty()) return rest->end;
  return not_appended(NotAppended::kStale, Errc::kBusy, "other records follow in the " + name());
}

MemoryHome::MemoryHome(std::shared_ptr<MemoryPool> pool)
    : process_(std::make_shared<MemoryProcess>()) {
  process_->pool = std::move(pool);
  process_->id = process_->pool->new_client();
}

void MemoryHome::cut_power(std::uint64_t seed) {
  process_->dead = true;
  pool().end_leases(process_->id);
  SimulatedEnv& machine = pool().machine();
  const auto after = machine.crash(seed);
  const std::lock_guard guard(mutex_);
  for (const std::string& path : written_) {
    const auto there = machine.exists(path);
    if (!there || !*there) continue;
    if (!after->durable_exists(path)) {
      (void)machine.remove(path);
      continue;
    }
    const std::vector<std::byte> left = after->durable_contents(path);
    machine.set_size(path, 0);
    machine.poke(path, 0, left);
  }
}

Status MemoryHome::check_log(format::DiskNumber disk) const {
  BLKREWIND_TRY(process_->alive());
  if (process_->pool->has_log(disk)) return {};
  return fail(Errc::kNotFound, "there is no log " + std::to_string(disk) + " in the pool");
}

Result<format::StoreHeader> MemoryHome::read_header() {
  BLKREWIND_TRY(process_->alive());
  return pool().header();
}

Result<std::unique_ptr<store::HomeLog>> MemoryHome::open_log(format::DiskNumber disk,
                                                             const store::LogKey& /*key*/) {
  BLKREWIND_TRY(check_log(disk));
  return std::make_unique<MemoryLog>(process_, disk);
}

Status MemoryHome::create_log(format::DiskNumber disk, const store::LogKey& /*key*/) {
  BLKREWIND_TRY(process_->alive());
  const std::string segments = pool().segments_of(disk);
  BLKREWIND_TRY(unless(Errc::kAlreadyExists, env().make_directory(segments)));
  BLKREWIND_TRY(env().sync_directory(folder()));
  return pool().create_log(disk);
}

Status MemoryHome::remove_disk(format::DiskNumber disk) {
  BLKREWIND_TRY(process_->alive());
  pool().remove_log(disk);
  BLKREWIND_TRY(for_each_segment(disk, [&](format::SegmentId id) {
    return unless(Errc::kNotFound, remove_segment(disk, id));
  }));
  return unless(Errc::kNotFound, env().remove(pool().segments_of(disk)));
}

Status MemoryHome::for_each_disk(const std::function<Status(format::DiskNumber)>& visit) {
  BLKREWIND_TRY(process_->alive());
  std::set<format::DiskNumber> disks;
  for (const format::DiskNumber disk : pool().logs()) disks.insert(disk);
  BLKREWIND_TRY(for_each_number(env(), folder(), [&](format::DiskNumber disk) -> Status {
    disks.insert(disk);
    return {};
  }));
  for (const format::DiskNumber disk : disks) BLKREWIND_TRY(visit(disk));
  return {};
}

Result<std::unique_ptr<store::HomeLease>> MemoryHome::take_lease(format::DiskNumber disk,
                                                                 io::LockMode mode) {
  BLKREWIND_TRY(process_->alive());
  const auto grant = pool().take_lease(disk, mode, process_->id);
  if (!grant) return std::unique_ptr<store::HomeLease>();
  return std::make_unique<MemoryLease>(process_, disk, *grant);
}

Result<bool> MemoryHome::has_owner(format::DiskNumber disk) {
  BLKREWIND_TRY(process_->alive());
  return pool().has_owner(disk);
}

Result<std::unique_ptr<io::Lock>> MemoryHome::hold_snapshot(format::DiskNumber disk,
                                                            format::SnapshotNumber snapshot,
                                                            io::LockMode mode) {
  BLKREWIND_TRY(process_->alive());
  const std::uint64_t token = pool().hold(disk, snapshot, mode, process_->id);
  if (token == 0) return std::unique_ptr<io::Lock>();
  return std::make_unique<MemoryHold>(process_, token);
}

Result<std::unique_ptr<io::File>> MemoryHome::open(format::DiskNumber disk, format::SegmentId id,
                                                   io::Access access, bool create) {
  BLKREWIND_TRY(process_->alive());
  const std::string path = segment_name(disk, id);
  BLKREWIND_ASSIGN(auto file, env().open(path, {.access = access, .create_new = create}));
  const std::lock_guard guard(mutex_);
  if (access == io::Access::kReadWrite) written_.insert(path);
  return file;
}

Result<std::unique_ptr<io::File>> MemoryHome::create_segment(format::DiskNumber disk,
                                                             format::SegmentId id) {
  return open(disk, id, io::Access::kReadWrite, true);
}

Result<std::unique_ptr<io::File>> MemoryHome::open_segment(format::DiskNumber disk,
                                                           format::SegmentId id,
                                                           io::Access access) {
  return open(disk, id, access, false);
}

Status MemoryHome::remove_segment(format::DiskNumber disk, format::SegmentId id) {
  BLKREWIND_TRY(process_->alive());
  return env().remove(segment_name(disk, id));
}

Result<std::uint64_t> MemoryHome::segment_bytes(format::DiskNumber disk, format::SegmentId id) {
  BLKREWIND_TRY(process_->alive());
  return env().allocated_bytes(segment_name(disk, id));
}

Status MemoryHome::for_each_segment(format::DiskNumber disk,
                                    const std::function<Status(format::SegmentId)>& visit) {
  BLKREWIND_TRY(process_->alive());
  return for_each_number(env(), pool().segments_of(disk), visit);
}

Status MemoryHome::sync_segments(format::DiskNumber disk) {
  BLKREWIND_TRY(process_->alive());
  return env().sync_directory(pool().segments_of(disk));
}

std::string MemoryHome::segment_name(format::DiskNumber disk, format::SegmentId id) const {
  return process_->pool->segments_of(disk) + "/" + std::to_string(id);
}

}  // namespace blkrewind::sim
